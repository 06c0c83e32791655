"""Scoring passes over small tables: the resulting rows, the models that score them, and the errors."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark import SparkConf
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from tests.factories.artifacts import sample
from tests.factories.backends import counting, lines
from tests.factories.corpora import source_toml
from tests.processes import run_module
from tests.scoring.scoring import DAY, ONE_MODEL, ROUTED, Scoring, values
from textclf.errors import InputError, UsageError
from textclf.inference.backends import BACKENDS, BackendChoice
from textclf.inference.scorer import make_scorer
from textclf.runs.record import RunRecord
from textclf.scoring.dataframe import add_scores
from textclf.scoring.score import ScoreOptions, score_table
from textclf.spark.environments import LEAN, SETTING


@pytest.mark.parametrize("kind", ["delta", "parquet"])
def test_every_row_ends_in_results_or_in_rejects(scoring: Scoring, kind: str) -> None:
    scoring.configure(ONE_MODEL)
    rows = [(1, "good food"), (2, None), (None, "bad"), (4, "bad"), (5, "")]
    path = scoring.write(rows, "id long, text string", kind)
    run = scoring.score(path, day=DAY)
    assert (run.input_rows, run.scored_rows, run.rejected_rows) == (5, 3, 2)
    assert (run.input, run.input_version) == (path, 0 if kind == "delta" else None)
    assert run.models == {"yelp@1": scoring.store.load("yelp").digest}
    assert run.details["rejects"] == {"null_id": 1, "null_text": 1}
    found = scoring.results
    assert values(found, "id", "label", "known_tokens", "source", "ds", "model", "model_version", "run_id") == [
        (1, "1", 2, "yelp", DAY, "yelp", "1", run.run_id),
        (4, "0", 1, "yelp", DAY, "yelp", "1", run.run_id),
        (5, "1", 0, "yelp", DAY, "yelp", "1", run.run_id),
    ]
    assert {row["model_digest"] for row in found.collect()} == {scoring.store.load("yelp").digest}
    assert values(scoring.rejects, "id", "reason", "run_id") == [
        (2, "null_text", run.run_id),
        (None, "null_id", run.run_id),
    ]
    assert scoring.staged() == []


def test_rows_go_to_the_champion_of_their_source_and_day(scoring: Scoring) -> None:
    scoring.configure(ROUTED + "[gate]\nmax_rejects = 1.0\n")
    rows = [
        (1, "good", "yelp", "2026-01-30"),
        (2, "good", "trec", "2026-01-31"),
        (3, "good", "joe's \\ place", "2026-01-31"),
        (4, "good", "", "2026-01-31"),
        (5, "good", None, "2026-01-31"),
        (6, "good", "yelp", "31/01/2026"),
        (7, "good", "yelp", None),
    ]
    path = scoring.write(rows, "id long, text string, source string, ds string")
    for _ in range(2):  # the second run replaces the first's slices, including odd names and nulls
        run = scoring.score(path)
    assert (run.input_rows, run.scored_rows, run.rejected_rows) == (7, 2, 5)
    found = scoring.results
    assert values(found, "id", "source", "ds", "model") == [
        (1, "yelp", date(2026, 1, 30), "yelp"),
        (2, "trec", DAY, "trec"),
    ]
    assert [row["scores"] is None for row in found.orderBy("id").collect()] == [True, False]
    assert values(scoring.rejects, "id", "source", "ds", "reason") == [
        (3, "joe's \\ place", DAY, "no_model"),
        (4, None, DAY, "no_model"),
        (5, None, DAY, "no_model"),
        (6, "yelp", None, "bad_date"),
        (7, "yelp", None, "bad_date"),
    ]


def test_only_the_slices_of_the_input_are_replaced(scoring: Scoring) -> None:
    scoring.configure(ROUTED)
    schema = "id long, text string, source string, ds date"
    scoring.score(scoring.write([(1, "good", "yelp", DAY), (2, "good", "trec", DAY)], schema))
    scoring.score(scoring.write([(3, None, "yelp", DAY), (4, "good", "yelp", date(2026, 2, 1))], schema))
    assert values(scoring.results, "id") == [(2,), (4,)]
    assert values(scoring.rejects, "id") == [(3,)]


def test_a_day_of_the_input_is_scored_alone(scoring: Scoring) -> None:
    scoring.configure(ROUTED)
    rows = [(1, "good", "yelp", DAY), (2, "good", "yelp", date(2026, 2, 1)), (3, "good", "yelp", None)]
    run = scoring.score(scoring.write(rows, "id long, text string, source string, ds date"), day=DAY)
    assert (run.input_rows, run.scored_rows) == (1, 1)
    assert values(scoring.results, "id", "ds") == [(1, DAY)]


IDS: dict[str, list[Any]] = {
    "bigint": [2**53 + 1, 2**63 - 1, -(2**63)],
    "decimal(38,10)": [Decimal("1234567890123456789012345678.0123456789"), Decimal("0E-10")],
    "timestamp": [datetime(2026, 1, 31, 23, 59, 59, 999999), datetime(1900, 1, 1)],
    "binary": [bytearray(b"\x00\xff"), bytearray(b"")],
    "string": ["", "null", "é\u0085'\\\n"],
    "struct<a:bigint,b:string>": [Row(a=2**60 + 1, b=None), Row(a=None, b="x")],
    "double": [0.1, float("inf")],
}


_PLAIN = ("decimal(38,10)", "timestamp", "binary", "double")  # the same code path as bigint


@pytest.mark.parametrize("kind", [pytest.param(each, marks=[pytest.mark.long] * (each in _PLAIN)) for each in IDS])
def test_ids_come_out_as_they_went_in(spark: SparkSession, scoring: Scoring, kind: str) -> None:
    scoring.configure(ONE_MODEL)
    rows = [(value, "good") for value in IDS[kind]]
    path = scoring.write([*rows, (IDS[kind][0], None), (None, "good")], f"id {kind}, text string")
    scoring.score(path)
    found = scoring.results
    assert found.schema["id"].dataType == spark.read.format("delta").load(path).schema["id"].dataType
    assert values(found, "id") == sorted([(value,) for value in IDS[kind]], key=repr)
    assert values(scoring.rejects, "id", "reason") == sorted([(IDS[kind][0], "null_text"), (None, "null_id")], key=repr)


def test_a_worker_builds_a_model_once(scoring: Scoring, monkeypatch: pytest.MonkeyPatch) -> None:
    scoring.configure(ONE_MODEL)
    monkeypatch.setitem(BACKENDS, "keras", counting(scoring.folder))
    path = str(scoring.folder / "many")
    scoring.spark.range(40_000).selectExpr("id", "'good' text").repartition(8).write.parquet(path)
    for _ in range(2):
        assert scoring.score(path, backend="keras").scored_rows == 40_000
    built = lines(scoring.folder / "builds")
    assert 1 <= len(built) == len(set(built))
    assert len(lines(scoring.folder / "texts")) == 80_000  # each row is scored once per run


def test_a_filter_on_the_score_evaluates_nothing_twice(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "keras", counting(tmp_path))
    texts = spark.range(100).select(F.when(F.col("id") % 2 == 0, "good").otherwise("bad").alias("text"))
    scored = add_scores(texts, {"yelp": sample()}, {"yelp": BackendChoice("keras", "")})
    assert scored.where("label = '1' AND score > 0.6").select("text", "score").count() == 50
    assert len(lines(tmp_path / "texts")) == 100


def test_a_run_that_fails_in_the_middle_leaves_everything_as_it_was(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring.configure(ONE_MODEL)
    schema = "id long, text string"
    scoring.score(scoring.write([(1, "good"), (2, None)], schema), day=DAY)
    before = scoring.versions()
    monkeypatch.setitem(BACKENDS, "keras", counting(scoring.folder, fail_on="poison"))
    path = scoring.write([(id_, "good") for id_ in range(20)] + [(99, "poison")], schema)
    with pytest.raises(Exception, match="the middle of the pass"):
        scoring.score(path, day=DAY, backend="keras")
    assert scoring.versions() == before
    assert values(scoring.results, "id") == [(1,)]
    assert scoring.staged() == []


def test_the_same_day_twice_leaves_the_same_rows(scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL)
    path = scoring.write(list(enumerate(["good", "bad", None, "the food"])), "id int, text string")
    columns = ["id", "source", "ds", "label", "score", "known_tokens", "model_digest"]
    seen = []
    for _ in range(2):
        scoring.score(path, day=DAY)
        seen.append((values(scoring.results, *columns), values(scoring.rejects, "id")))
    assert seen[0] == seen[1]


def test_an_empty_input_succeeds_and_changes_nothing(scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL)
    scoring.score(scoring.write([(1, "good")], "id long, text string"), day=DAY)
    before = scoring.versions()
    run = scoring.score(scoring.write([], "id long, text string", name="empty"), day=DAY)
    assert (run.input_rows, run.scored_rows, run.rejected_rows) == (0, 0, 0)
    assert scoring.versions() == before


def test_the_table_to_write_the_rows_to_read_and_the_model_can_be_chosen(spark: SparkSession, scoring: Scoring) -> None:
    scoring.store.save(sample("yelp", seed=5))
    scoring.configure(ONE_MODEL)
    path = scoring.write([(id_, "good") for id_ in range(50)], "id long, text string", "parquet")
    output = str(scoring.folder / "elsewhere")
    run = scoring.score(path, output=output, limit=7, model="yelp@2", all_scores=True)
    rows = spark.read.format("delta").load(output).collect()
    assert run.input_rows == len(rows) == 7
    assert {(row["model_version"], len(row["scores"])) for row in rows} == {("2", 2)}
    assert not scoring.warehouse.location("results").exists(spark)


def test_each_source_has_the_backend_that_can_score_it_and_the_run_says_which(scoring: Scoring) -> None:
    scoring.promote(sample("slow", kind="attention", labels=("n", "y")))
    rows = [(1, "the good food", "yelp"), (2, "good", "trec"), (3, "good", "slow"), (4, "", "yelp")]
    scoring.configure(source_toml("yelp") + '[score]\nsource = "source"\nevidence = true\n')
    run = scoring.score(scoring.write(rows, "id long, text string, source string", "parquet"), day=DAY)
    assert run.details["backends"]["yelp@1"] == "compiled: logistic_regression can be compiled"
    assert run.details["backends"]["slow@1"].startswith("keras: Model slow@1 cannot be compiled: attention is ")
    assert values(scoring.results, "id", "model", "evidence") == [
        (1, "yelp", "good"),
        (2, "trec", "good"),
        (3, "slow", None),
        (4, "yelp", None),
    ]
    with pytest.raises(UsageError, match="cannot be compiled"):
        scoring.score(scoring.folder / "input", day=DAY, backend="compiled")


def test_a_table_of_the_catalog_is_an_input(spark: SparkSession, scoring: Scoring) -> None:
    path = scoring.write([(1, "good")], "id long, text string")
    spark.sql(f"CREATE TABLE score_table_input USING delta LOCATION '{path}'")
    try:
        run = scoring.configure(ONE_MODEL).score("score_table_input")
    finally:
        spark.sql("DROP TABLE score_table_input")
    assert (run.input, run.input_version, run.scored_rows) == ("score_table_input", 0, 1)


def test_ids_of_another_type_than_the_table_has_are_refused(scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL)
    scoring.score(scoring.write([(1, "good")], "id long, text string"))
    before = scoring.versions()
    with pytest.raises(InputError) as error:
        scoring.score(scoring.write([("1", "good")], "id string, text string", name="other"))
    assert "received: id bigint" in str(error.value)
    assert "expected: id string" in str(error.value)
    assert scoring.versions() == before


@pytest.mark.parametrize(
    ("config", "schema", "expected"),
    [
        (ONE_MODEL, "key long, text string", "one of: key, text"),
        (ONE_MODEL, "id long, body string", "one of: id, body"),
        (ONE_MODEL, "id long, text long", "text bigint"),
        (ROUTED, "id long, text string, ds date", "one of: id, text, ds"),
        (ROUTED, "id long, text string, source string, ds long", "ds bigint"),
    ],
)
def test_an_input_without_the_columns_says_which_it_has(
    scoring: Scoring, config: str, schema: str, expected: str
) -> None:
    with pytest.raises(InputError) as error:
        scoring.configure(config).score(scoring.write([], schema))
    assert expected in str(error.value)


def test_what_cannot_be_scored_with_says_why(scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL)
    path = scoring.write([(1, "good")], "id long, text string")
    with pytest.raises(InputError, match="cannot be read"):
        scoring.score(scoring.folder / "nothing")
    with pytest.raises(InputError, match="cannot be read"):
        scoring.score("no_such_table")
    for spelled in (path, f"file:{path}", f"file://{path}/"):
        with pytest.raises(InputError, match="would replace the input"):
            scoring.score(path, output=spelled)
    for name in ("results_rejects", "corpus", "runs", "tokens"):
        with pytest.raises(InputError, match="would replace another table"):
            scoring.score(path, output=f"file:{scoring.warehouse.location(name)}")
        assert not scoring.warehouse.location(name).exists(scoring.spark)
    with pytest.raises(InputError, match="no such model"):
        scoring.score(path, model="imdb")
    with pytest.raises(UsageError, match="No table is given"):
        score_table(scoring.workspace, RunRecord("score_table"), ScoreOptions())
    scoring.configure(source_toml("yelp"))
    with pytest.raises(UsageError, match="No model is given"):
        scoring.score(path)


def test_the_job_ends_with_its_record(scoring: Scoring) -> None:
    path = scoring.write([(1, "good"), (2, None)], "id long, text string")
    scoring.configure(ONE_MODEL)
    assert scoring.job("--input", path, "--date", "2026-01-31", "--limit", 10) == 0
    record = scoring.record
    assert (record["status"], record["scored_rows"], record["rejected_rows"]) == ("succeeded", 1, 1)
    assert set(record["tables"]) == {"results", "results_rejects"}
    assert scoring.job("--input", path, "--date", "31.1.2026") == 2
    assert scoring.job("--input", path, "--limit", "0") == 2
    scoring.job("--input", path)
    assert scoring.record["started_at"].startswith(datetime.now(UTC).date().isoformat()[:8])


def test_a_network_scores_in_spark_as_it_does_alone_and_in_another_process(scoring: Scoring) -> None:
    scoring.promote(sample(kind="cnn", labels=("a", "b", "c")))
    texts = ["the food was good", "", "bad bad again", "good"]
    scoring.configure(ONE_MODEL)
    scoring.score(scoring.write(list(enumerate(texts)), "id int, text string"))
    made = run_module("tests.scoring.scores_process", scoring.store.root, "yelp", *texts)
    expected, _ = make_scorer(scoring.store.load("yelp")).score(pa.array(texts))
    rows = scoring.results.orderBy("id").collect()
    for row, alone, here in zip(rows, json.loads(made.stdout), expected.tolist(), strict=True):
        assert row["scores"] == pytest.approx(alone, abs=1e-6)
        assert row["scores"] == pytest.approx(here, abs=1e-6)
        assert row["score"] == max(row["scores"])


def test_a_network_for_keras_is_refused_on_executors_without_tensorflow(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring.promote(sample("yelp", kind="attention"))
    scoring.configure(ONE_MODEL)
    path = scoring.write([(1, "good")], "id long, text string")
    lean = SparkConf(loadDefaults=False).setAll([("spark.master", "yarn"), (SETTING, LEAN)])
    monkeypatch.setattr(scoring.spark.sparkContext, "getConf", lambda: lean)

    with pytest.raises(UsageError, match="an environment without TensorFlow") as raised:
        scoring.score(path, day=DAY)

    assert str(raised.value.received).startswith("yelp@2 with Keras: Model yelp@2 cannot be compiled: attention is ")
    assert scoring.staged() == []
