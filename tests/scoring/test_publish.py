"""What the gate refuses stays out; what it let in can be traced back; both through the jobs."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import explain_row, show_run
from jobs import score_table as job
from tests.factories.artifacts import sample
from tests.scoring.passes import ONE_MODEL, ROUTED, table, values, versions
from textclf._version import code_version
from textclf.artifact import ModelStore
from textclf.config import Pipeline, load_pipeline
from textclf.runs.history import publications
from textclf.storage import Location, Warehouse
from textclf.storage.leases.locks import locked

RunJob = Callable[..., tuple[int, dict[str, Any], str]]
Write = Callable[..., str]
GATE = "[gate]\nmin_rows = 20\nmax_unknown = 1.0\n"
SCHEMA = "id long, text string"
GOOD = [(id_, "good food" if id_ % 2 else "bad") for id_ in range(100)]
SHIFTED = [(id_, "good food") for id_ in range(100)]


@pytest.fixture
def config(store: ModelStore, write_config: Callable[[str], Path]) -> Path:
    return write_config(ONE_MODEL + GATE)


@pytest.fixture
def pipeline(config: Path) -> Pipeline:
    return load_pipeline(config)


def test_a_shift_is_refused_kept_traced_and_published_by_hand(
    spark: SparkSession, config: Path, pipeline: Pipeline, run_job: RunJob, write: Write, store: ModelStore
) -> None:
    def score(day: int, rows: list[Any], *flags: object) -> tuple[int, dict[str, Any], str]:
        path = write(rows, SCHEMA, name=f"input{day}")
        return run_job(job, "--config", config, "--input", path, "--date", f"2026-01-{day}", *flags)

    assert score(30, GOOD)[0] == 0
    before = versions(spark, pipeline)

    code, refused, said = score(31, SHIFTED)
    assert (code, refused["status"], refused["gate"]["verdict"]) == (4, "refused", "refused")
    assert "psi of labels, published of 2026-01-31/yelp: population stability index" in said
    assert "at most 0.25" in said
    assert f"--publish-anyway {refused['run_id']} --reason TEXT" in said
    assert versions(spark, pipeline) == before
    staging = Path(str(config.parent), "warehouse", "_staging", refused["run_id"])
    assert str(staging) in said
    assert staging.is_dir()

    publish = ("--config", config, "--publish-anyway", refused["run_id"])
    assert run_job(job, *publish)[0] == 2  # without a reason
    assert run_job(job, *publish, "--reason", "sale", "--output", config.parent / "other")[0] == 3
    code, record, _ = run_job(job, *publish, "--reason", "a sale brought praise")
    assert (code, record["gate"]["verdict"], record["scored_rows"]) == (0, "overridden", 100)
    assert record["details"]["reason"] == "a sale brought praise"
    assert not staging.exists()
    assert table(spark, pipeline).where("ds = '2026-01-31'").count() == 100
    assert run_job(job, *publish, "--reason", "again")[0] == 3  # nothing left to publish

    _explained(run_job, config, refused, record, store)
    # The next day is compared with what was published by hand, too.
    warehouse = Warehouse.of(pipeline)
    newest = publications(spark, warehouse, str(warehouse.location("results")))[0]
    assert (newest.run_id, newest.slices[0].labels) == (record["run_id"], {"1": 100})


def _explained(
    run_job: RunJob, config: Path, refused: dict[str, Any], record: dict[str, Any], store: ModelStore
) -> None:
    code, shown, _ = run_job(show_run, "--config", config, refused["run_id"])
    assert code == 0
    assert [each["reason"] for each in shown["details"]["run"]["published_by"]] == ["a sale brought praise"]
    code, explained, _ = run_job(explain_row, "--config", config, "7")
    newest, oldest = explained["details"]["rows"]
    assert (code, newest["ds"], oldest["ds"]) == (0, "2026-01-31", "2026-01-30")
    assert newest["model_digest"] == store.load("yelp").digest
    assert newest["corpus_digest"] == "0" * 64
    made = newest["run"]
    assert (made["run_id"], made["status"], made["input_version"]) == (refused["run_id"], "refused", 0)
    assert made["published_by"][0]["run_id"] == record["run_id"]
    assert (made["code_version"], made["input"]) == (code_version(), refused["input"])
    assert run_job(explain_row, "--config", config, "12345")[0] == 3
    assert run_job(explain_row, "--config", config, "7", "--source", "imdb")[0] == 3
    assert run_job(show_run, "--config", config, "../../results")[0] == 2


def test_repeated_ids_are_refused_on_request(
    spark: SparkSession,
    store: ModelStore,
    write_config: Callable[[str], Path],
    run_job: RunJob,
    write: Write,
) -> None:
    path = write([(1, "good"), (1, "bad"), (2, "good"), (None, "good"), (None, "good")], SCHEMA)
    strict = "[gate]\nmax_rejects = 1.0\nunique_ids = true\n"
    code, record, said = run_job(job, "--config", write_config(ONE_MODEL + strict), "--input", path)
    assert code == 4
    assert "unique_ids: 1 repeated ids" in said
    assert record["gate"]["checks"]["counts"]["failed"] == 0
    assert run_job(job, "--config", write_config(ONE_MODEL + "[gate]\nmax_rejects = 1.0\n"), "--input", path)[0] == 0


def test_older_rows_never_replace_newer_ones(
    spark: SparkSession, config: Path, pipeline: Pipeline, run_job: RunJob, write: Write
) -> None:
    rejects = [(id_, None) for id_ in range(30)]
    day = ("--config", config, "--date", "2026-01-31")
    refused = run_job(job, *day, "--input", write(rejects, SCHEMA, name="a"))[1]
    assert refused["status"] == "refused"
    assert run_job(job, *day, "--input", write(GOOD, SCHEMA, name="b"))[0] == 0
    code, _, said = run_job(job, "--config", config, "--publish-anyway", refused["run_id"], "--reason", "late")
    assert code == 3
    assert "A later run has published the same slices." in said
    assert len(values(table(spark, pipeline), "id")) == 100


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--from", "2026-01-01"], "--from and --to together"),
        (["--from", "2026-01-02", "--to", "2026-01-01"], "--from no later than --to"),
        (["--from", "2026-01-01", "--to", "2026-01-02", "--date", "2026-01-01"], "one of --date"),
        (["--reason", "why"], "--publish-anyway RUN_ID and --reason TEXT together"),
        (["--since", "newest"], "expected a version number or last"),
        (["--publish-anyway", "../results", "--reason", "why"], "such as 20260131T235959-1a2b3c4d"),
    ],
)
def test_flags_that_make_no_sense_are_2(run_job: RunJob, config: Path, flags: list[str], expected: str) -> None:
    code, _, said = run_job(job, "--config", config, *flags)
    assert code == 2
    assert expected in said


def test_names_are_no_sql_and_paths_are_paths(
    spark: SparkSession, run_job: RunJob, write_config: Callable[[str], Path], tmp_path: Path
) -> None:
    odd = tmp_path / 'it\'s "odd"; DROP TABLE x --'
    text = write_config(ONE_MODEL).read_text().replace(f'"{tmp_path / "warehouse"}"', f"'''{odd}'''")
    config = tmp_path / "odd.toml"
    config.write_text(text)
    store = ModelStore(str(odd / "models"))
    store.promote("yelp", store.save(sample("yelp")).manifest.version)
    spark.createDataFrame(GOOD, SCHEMA).write.format("delta").save(str(odd / "texts"))
    command = ("--config", config, "--input", odd / "texts")
    code, _, said = run_job(job, *command, "--date", "2026-01-31")
    assert code == 0, said
    assert run_job(job, *command, "--output", tmp_path / "a`b")[0] == 2
    assert run_job(job, *command, "--model", "../../models/yelp")[0] == 2
    assert run_job(job, "--config", config, "--input", "x; DROP TABLE y")[0] == 3
    assert run_job(explain_row, "--config", config, "1 OR 1=1")[0] == 3
    assert [row["status"] for row in Location(path=f"{odd}/runs").read(spark).orderBy("started_at").collect()] == [
        "succeeded",
        "failed",
        "failed",
        "failed",
    ]


def test_a_day_that_another_run_works_on_is_5(
    spark: SparkSession, config: Path, pipeline: Pipeline, run_job: RunJob, write: Write
) -> None:
    warehouse, path = Warehouse.of(pipeline), write(GOOD, SCHEMA)
    output = str(warehouse.location("results"))
    with locked(spark, warehouse.locks(spark), output, "another", "score_table", 60) as locks:
        locks.take([date(2026, 1, 31)])
        code, record, said = run_job(job, "--config", config, "--input", path, "--date", "2026-01-31")
        assert (code, record["status"]) == (5, "locked")
        assert "run another of score_table" in said
        assert run_job(job, "--config", config, "--input", path, "--date", "2026-02-01")[0] == 0


def test_a_source_that_loses_its_champion_keeps_its_scores_until_somebody_says_otherwise(
    spark: SparkSession, store: ModelStore, write_config: Callable[[str], Path], run_job: RunJob, write: Write
) -> None:
    config = write_config(ROUTED + "[gate]\nmax_rejects = 1.0\n")
    pipeline = load_pipeline(config)

    def score(*days: int) -> tuple[int, dict[str, Any], str]:
        rows = [(day, "good", source, f"2026-01-{day}") for day in days for source in ("yelp", "trec", "nobody")]
        path = write(rows, "id long, text string, source string, ds string", name=f"input{days[0]}{len(days)}")
        return run_job(job, "--config", config, "--input", path)

    assert score(30)[0] == 0
    (Path(store.root) / "yelp/champion").unlink()
    before = versions(spark, pipeline)
    code, refused, said = score(30, 31)
    assert (code, refused["status"]) == (4, "refused")
    assert "lost_model of 2026-01-30/yelp: 1 rows without a model; run " in said
    assert "lost_model of 2026-01-31/yelp: 1 rows without a model; run " in said
    assert "nobody" not in said
    assert "restore the source's model" in said
    assert versions(spark, pipeline) == before

    code, _, _ = run_job(job, "--config", config, "--publish-anyway", refused["run_id"], "--reason", "yelp is closed")
    assert code == 0
    assert values(table(spark, pipeline), "source", "id") == [("trec", 30), ("trec", 31)]
    assert score(28)[0] == 0  # a day without scores of that source, which is known to have no model
