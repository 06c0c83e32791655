"""One run refuses deliveries of every kind: their sources keep their records, and the others are published."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import ingest_corpus as job
from tests.factories.pipeline_folder import RunJob
from textclf.config import Upkeep, load_pipeline
from textclf.corpus.refused_records import keep_refused, prune_refused
from textclf.storage import Warehouse
from textclf.storage.schemas import CORPUS, CORPUS_REJECTS

JSONL, TSV = 'format = "jsonl"', 'format = "tsv"\ncolumns = ["text", "label"]'
CSV, HEADER = 'format = "csv"\ncolumns = ["text", "label"]', 'format = "csv"\nheader = true'
PARQUET, DELTA = 'format = "parquet"', 'format = "delta"'
FORMATS = {
    "good": TSV, "shrunk": TSV, "half": TSV, "own_loose": f"{TSV}\nmax_rejects = 1", "table_good": PARQUET,
    "gzip": JSONL, "nested": JSONL, "more_than_half": TSV, "own_strict": f"{TSV}\nmax_rejects = 0.0",
    "blank": TSV, "empty": TSV, "header_alone": HEADER, "other_header": HEADER, "gone": TSV, "open_quote": CSV,
    "one_file_of_two": TSV, "nulls": PARQUET,
    "no_rows": PARQUET, "no_label": PARQUET, "delta_nulls": DELTA, "first": TSV,
}  # fmt: skip
PASS = {"good": 9, "shrunk": 2, "half": 4, "own_loose": 1, "table_good": 9}
"""Records of the deliveries that pass."""
READ = {
    "nested": {"invalid_json": 8}, "more_than_half": {"missing_column": 5}, "own_strict": {"missing_column": 1},
    "blank": {"blank_record": 3}, "open_quote": {"unclosed_quote": 1},
    "nulls": {"empty_text": 8}, "first": {"missing_column": 2}, "delta_nulls": {"missing_label": 8},
    "empty": {}, "header_alone": {}, "no_rows": {},
}  # fmt: skip
"""Reject reasons of refused deliveries that can be read; the others only have an error."""
UNREADABLE = {"gzip", "other_header", "gone", "one_file_of_two", "no_label"}


def rows(count: int, text: str = "old") -> list[tuple[str, str]]:
    return [(f"{text} {number}", str(number % 2)) for number in range(count)]


def tsv(records: list[tuple[str, str]], bad: int = 0) -> str:
    return "".join(f"{text}\t{label}\n" for text, label in records) + "bad\n" * bad


def jsonl(records: list[tuple[str, Any]]) -> str:
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in records)


def parquet(path: Path, records: list[tuple[str | None, str | None]], *names: str) -> None:
    path.mkdir(exist_ok=True)
    columns = [pa.array([record[at] for record in records], pa.string()) for at in range(2)]
    pq.write_table(pa.table(dict(zip(names or ("text", "label"), columns, strict=True))), path / "a.parquet")


def delta(spark: SparkSession, path: Path, records: list[tuple[str | None, str | None]]) -> None:
    spark.createDataFrame(records, "text string, label string").write.format("delta").mode("overwrite").save(str(path))


def publish_before(spark: SparkSession, warehouse: Warehouse) -> None:
    """Publish eight records and a reject of each source but the first, as if by earlier runs."""
    known = [name for name in FORMATS if name != "first"]
    corpus = [(name, "a.data", at, *record) for name in known for at, record in enumerate(rows(8))]
    rejects = [(name, "a.data", 8, "missing_column", "bad", 1) for name in known]
    warehouse.replace_sources(spark.createDataFrame(corpus, CORPUS.schema).coalesce(1), CORPUS, known)
    warehouse.replace_sources(spark.createDataFrame(rejects, CORPUS_REJECTS.schema), CORPUS_REJECTS, known)


def deliver(spark: SparkSession, folder: Path) -> None:
    """Write a delivery of each source."""
    new = rows(8, "new")
    files: dict[str, str | bytes] = {
        "good": tsv(rows(9, "new")), "shrunk": tsv(new[:2]), "half": tsv(new[:4], 4), "own_loose": tsv(new[:1], 9),
        "gzip": gzip.compress(jsonl(new).encode()),
        "nested": jsonl([(text, {"value": label}) for text, label in new]), "more_than_half": tsv(new[:4], 5),
        "own_strict": tsv(new, 1), "blank": "\n\n\n", "empty": "", "header_alone": "text,label\n",
        "other_header": "body,label\nnew,1\n",
        "open_quote": '"' + "new,1 " * 8, "one_file_of_two": tsv(new), "first": tsv(new[:1], 2),
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).mkdir()
        (folder / name / "a.data").write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "one_file_of_two" / "b.data").write_bytes(gzip.compress(tsv(new).encode()))
    parquet(folder / "table_good", [*rows(9, "new")])
    parquet(folder / "nulls", [(None, "1")] * 8)
    parquet(folder / "no_rows", [])
    parquet(folder / "no_label", [*new], "text", "stars")
    delta(spark, folder / "delta_nulls", [("new", None)] * 8)


Slices = dict[str, list[tuple[Any, ...]]]


def slices(spark: SparkSession, warehouse: Warehouse, name: str, *columns: str) -> Slices:
    """Return the rows of a table by source."""
    found: Slices = {source: [] for source in FORMATS}
    for row in warehouse.location(name).read(spark).select("source", "file", "position", *columns).collect():
        found.setdefault(row["source"], []).append(tuple(row)[1:])
    return {source: sorted(each, key=str) for source, each in found.items()}


def test_refused_deliveries_keep_what_was_there_and_the_others_are_published(
    spark: SparkSession, write_config: Callable[[str], Path], run_job: RunJob, tmp_path: Path
) -> None:
    assert PASS.keys() | READ.keys() | UNREADABLE == FORMATS.keys()
    parts = [f'[[sources]]\nname = "{name}"\npath = "{tmp_path / name}"\n{keys}\n' for name, keys in FORMATS.items()]
    config = write_config("".join(parts))
    warehouse = Warehouse.of(load_pipeline(config))
    publish_before(spark, warehouse)
    before = [slices(spark, warehouse, *table) for table in (("corpus", "text"), ("corpus_rejects", "raw"))]
    deliver(spark, tmp_path)

    code, record, said = run_job(job, "--config", config)

    after = [slices(spark, warehouse, *table) for table in (("corpus", "text"), ("corpus_rejects", "raw"))]
    for name in READ.keys() | UNREADABLE:
        assert [each[name] for each in after] == [each[name] for each in before], name
    for name, count in PASS.items():
        assert [text[2].partition(" ")[0] for text in after[0][name]] == ["new"] * count, name
    assert [len(after[1][name]) for name in PASS] == [0, 0, 4, 9, 0]
    _check_record(code, record, said)
    kept = slices(spark, warehouse, "corpus_refused", "reason", "run_id")
    found = {name: [(row[2], row[3]) for row in each] for name, each in kept.items() if each}
    assert found == {
        name: [(reason, record["run_id"])] * count for name, each in READ.items() for reason, count in each.items()
    }
    assert not list((tmp_path / "warehouse").glob("_staging/*"))
    _accept(spark, config, run_job, warehouse)


def _check_record(code: int, record: dict[str, Any], said: str) -> None:
    assert (code, record["status"], "spark_app_id" in record) == (3, "failed", True)
    details = record["details"]
    assert set(details["sources"]) == set(PASS)
    assert set(details["refused"]) == READ.keys() | UNREADABLE
    assert details["fallen"] == ["shrunk", "own_loose"]
    assert "source shrunk: 2 records are accepted; the delivery before had 8" in said
    assert (details["accepted_rows"], record["input_rows"]) == (sum(PASS.values()), sum(PASS.values()) + 4 + 9)
    for name, reasons in READ.items():
        refused = details["refused"][name]
        assert refused["reasons"] == reasons, name
        assert refused.get("before") == (None if name == "first" else 8)
        assert len(refused["fingerprint"]) == 64
        assert f"Source {name} h" in refused["problem"]
        has = "nothing of it is published" if name == "first" else "the corpus keeps its 8 records"
        assert f"this delivery is refused, {has}." in refused["problem"]
        assert f"--accept {name} --reason TEXT" in said
        assert (f"FROM corpus_refused WHERE source = '{name}'" in said) == bool(reasons)
    for name in UNREADABLE:
        assert f"ource {name} " in details["refused"][name]["problem"]
        assert "records" not in details["refused"][name]


def _accept(spark: SparkSession, config: Path, run_job: RunJob, warehouse: Warehouse) -> None:
    """Accept five deliveries by hand.

    They are one with records, one without accepted records, one without any records, a good one, and one that cannot be
    read. The last one is refused and does not prevent the others from being accepted.
    """
    names = ["more_than_half", "nested", "empty", "good", "gzip"]
    flags = [word for name in names for word in ("--source", name, "--accept", name)]

    code, record, said = run_job(job, "--config", config, *flags, "--reason", "the export is over")

    details = record["details"]
    assert (code, list(details["refused"])) == (3, ["gzip"])
    assert "compressed by gzip" in said
    assert (details["accept"], details["published_anyway"]) == (names, names[:3])
    assert (details["reason"], bool(details["by"])) == ("the export is over", True)
    assert sorted(details["fallen"]) == ["empty", "nested"]
    corpus, rejects = (slices(spark, warehouse, table) for table in ("corpus", "corpus_rejects"))
    assert [len(corpus[name]) for name in names] == [4, 0, 0, 9, 8]
    assert [len(rejects[name]) for name in names] == [5, 8, 0, 0, 1]


def test_what_was_rejected_is_kept_of_each_source_once_and_no_longer_than_the_retention(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Rejects that were written before are not written again, however many runs refuse the same delivery."""
    warehouse = Warehouse(str(tmp_path), None, str(tmp_path))
    place = warehouse.location("corpus_refused")
    assert not prune_refused(spark, warehouse, Upkeep())

    def refuse(year: int, *, b_raw: str | None = "x") -> list[tuple[str, str]]:
        raw = {"a": "x", "b's": b_raw, "other": "x"}
        rejects = [(name, "f", at, "no_match", raw[name], 1) for name in raw for at in range(2)]
        keep_refused(warehouse, spark.createDataFrame(rejects, CORPUS_REJECTS.schema), ["a", "b's"], f"{year}0101T0")
        return sorted((row["source"], row["run_id"][:4]) for row in place.read(spark).distinct().collect())

    assert refuse(2020) == [("a", "2020")] * 2 + [("b's", "2020")] * 2
    version = place.version(spark)
    assert refuse(2021) == [("a", "2020")] * 2 + [("b's", "2020")] * 2
    assert place.version(spark) == version
    assert refuse(2099, b_raw=None) == [("a", "2020")] * 2 + [("b's", "2099")] * 2

    assert prune_refused(spark, warehouse, Upkeep())
    assert not prune_refused(spark, warehouse, Upkeep())
    assert refuse(2098, b_raw=None) == [("a", "2098")] * 2 + [("b's", "2099")] * 2


@pytest.mark.parametrize(
    "flags",
    [
        ["--accept", "a"], ["--accept", "a", "--reason", " "], ["--reason", "why"],
        ["--accept", "c", "--reason", "why"], ["--source", "b", "--accept", "a", "--reason", "why"],
        ["--accept", "a", "--accept", "A", "--reason", "why"], ["--source", "c"],
    ],
)  # fmt: skip
def test_an_accept_without_a_reason_or_of_no_source_of_the_run_is_2_before_there_is_a_session(
    write_config: Callable[[str], Path], run_job: RunJob, tmp_path: Path, flags: list[str]
) -> None:
    config = write_config("".join(f'[[sources]]\nname = "{name}"\npath = "{name}"\n{TSV}\n' for name in "ab"))

    code, record, said = run_job(job, "--config", config, *flags)

    assert (code, record["status"], "spark_app_id" in record) == (2, "failed", False)
    assert "expected" in said
    assert not (tmp_path / "warehouse" / "corpus").exists()
