"""Deliveries that are refused, of every kind at once: their sources keep what they had, the others are published."""

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
from textclf.config import Upkeep, load_pipeline
from textclf.corpus.deliveries import DeliveryError
from textclf.corpus.ingest import ingest_corpus
from textclf.tables import Warehouse
from textclf.tables.refused_records import prune_refused

RunJob = Callable[..., tuple[int, dict[str, Any], str]]
JSONL, TSV = 'format = "jsonl"', 'format = "tsv"\ncolumns = ["text", "label"]'
CSV, HEADER = 'format = "csv"\ncolumns = ["text", "label"]', 'format = "csv"\nheader = true'
PARQUET, DELTA = 'format = "parquet"', 'format = "delta"'
FORMATS = {
    "good": TSV, "shrunk": TSV, "half": TSV, "own_loose": f"{TSV}\nmax_rejects = 1", "table_good": PARQUET,
    "gzip": JSONL, "array": JSONL, "nested": JSONL, "more_than_half": TSV, "own_strict": f"{TSV}\nmax_rejects = 0.0",
    "blank": TSV, "empty": TSV, "header_alone": HEADER, "other_header": HEADER, "gone": TSV, "open_quote": CSV,
    "unknown_labels": f'{TSV}\nlabels = ["0", "1"]', "utf16": TSV, "one_file_of_two": TSV, "nulls": PARQUET,
    "no_rows": PARQUET, "no_label": PARQUET, "delta_nulls": DELTA, "delta_no_rows": DELTA,
}  # fmt: skip
PASS = {"good": 9, "shrunk": 2, "half": 4, "own_loose": 1, "table_good": 9}
"""Records of the second delivery of those that pass."""
READ = {
    "nested": {"missing_label": 8}, "more_than_half": {"missing_column": 5}, "own_strict": {"missing_column": 1},
    "blank": {"blank_record": 3}, "open_quote": {"unclosed_quote": 1}, "unknown_labels": {"unknown_label": 8},
    "nulls": {"empty_text": 8}, "delta_nulls": {"missing_label": 8},
    "empty": {}, "header_alone": {}, "no_rows": {}, "delta_no_rows": {},
}  # fmt: skip
"""Reasons of the second delivery of those that could be read and are refused; of others only an error is known."""
UNREADABLE = {"gzip", "array", "other_header", "gone", "utf16", "one_file_of_two", "no_label"}


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


def deliver_first(spark: SparkSession, folder: Path) -> None:
    """Eight good records of each source, beside one reject of those of lines."""
    for name, keys in FORMATS.items():
        path = folder / name
        if keys == PARQUET:
            parquet(path, [*rows(8)])
        elif keys == DELTA:
            delta(spark, path, [*rows(8)])
        else:
            path.mkdir()
            made = {JSONL: jsonl(rows(8)) + "bad\n", CSV: "".join(f"{text},{label}\n" for text, label in rows(8))}
            made[HEADER] = f"text,label\n{made[CSV]}"
            bad = 0 if "0.0" in keys else 1
            (path / "a.data").write_text(made.get(keys, tsv(rows(8), bad)))


def deliver_second(spark: SparkSession, folder: Path) -> None:
    new = rows(8, "new")
    files: dict[str, str | bytes] = {
        "good": tsv(rows(9, "new")), "shrunk": tsv(new[:2]), "half": tsv(new[:4], 4), "own_loose": tsv(new[:1], 9),
        "gzip": gzip.compress(jsonl(new).encode()), "array": json.dumps([{"text": "a", "label": 1}]),
        "nested": jsonl([(text, {"value": label}) for text, label in new]), "more_than_half": tsv(new[:4], 5),
        "own_strict": tsv(new, 1), "blank": "\n\n\n", "empty": "", "header_alone": "text,label\n",
        "other_header": "body,label\nnew,1\n", "open_quote": '"' + "new,1 " * 8, "unknown_labels": tsv(
            [(text, "good") for text, _ in new]
        ), "utf16": tsv(new).encode("utf-16"),
    }  # fmt: skip
    for name, content in files.items():
        (folder / name / "a.data").write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "one_file_of_two" / "b.data").write_bytes(gzip.compress(tsv(new).encode()))
    (folder / "gone" / "a.data").unlink()
    (folder / "gone").rmdir()
    parquet(folder / "table_good", [*rows(9, "new")])
    parquet(folder / "nulls", [(None, "1")] * 8)
    parquet(folder / "no_rows", [])
    parquet(folder / "no_label", [*new], "text", "stars")
    delta(spark, folder / "delta_nulls", [("new", None)] * 8)
    delta(spark, folder / "delta_no_rows", [])


Slices = dict[str, list[tuple[Any, ...]]]


def slices(spark: SparkSession, warehouse: Warehouse, name: str, *columns: str) -> Slices:
    """By source the rows of a table."""
    found: Slices = {source: [] for source in FORMATS}
    for row in warehouse.location(name).read(spark).select("source", "file", "position", *columns).collect():
        found.setdefault(row["source"], []).append(tuple(row)[1:])
    return {source: sorted(each, key=str) for source, each in found.items()}


@pytest.fixture
def config(write_config: Callable[[str], Path], spark: SparkSession, tmp_path: Path) -> Path:
    deliver_first(spark, tmp_path)
    parts = [f'[[sources]]\nname = "{name}"\npath = "{tmp_path / name}"\n{keys}\n' for name, keys in FORMATS.items()]
    return write_config("".join(parts))


def test_refused_deliveries_keep_what_was_there_and_the_others_are_published(
    spark: SparkSession, config: Path, run_job: RunJob, tmp_path: Path
) -> None:
    assert PASS.keys() | READ.keys() | UNREADABLE == FORMATS.keys()
    warehouse = Warehouse.of(load_pipeline(config))
    assert run_job(job, "--config", config)[0] == 0
    assert not warehouse.location("corpus_refused").exists(spark)
    before = [slices(spark, warehouse, *table) for table in (("corpus", "text"), ("corpus_rejects", "raw"))]
    assert {len(each) for each in before[0].values()} == {8}
    deliver_second(spark, tmp_path)

    code, record, said = run_job(job, "--config", config)

    after = [slices(spark, warehouse, *table) for table in (("corpus", "text"), ("corpus_rejects", "raw"))]
    for name in READ.keys() | UNREADABLE:
        assert [each[name] for each in after] == [each[name] for each in before], name
    for name, count in PASS.items():
        assert [text[2].partition(" ")[0] for text in after[0][name]] == ["new"] * count, name
    _check_record(code, record, said)
    kept = slices(spark, warehouse, "corpus_refused", "reason", "run_id")
    found = {name: [(row[2], row[3]) for row in each] for name, each in kept.items() if each}
    assert found == {
        name: [(reason, record["run_id"])] * count for name, each in READ.items() for reason, count in each.items()
    }
    assert not list((tmp_path / "warehouse").glob("_staging/*"))
    _accept(spark, config, run_job, warehouse)
    _keep_no_longer_than_others(spark, config, warehouse)


def _check_record(code: int, record: dict[str, Any], said: str) -> None:
    assert (code, record["status"]) == (3, "failed")
    details = record["details"]
    assert set(details["sources"]) == set(PASS)
    assert set(details["refused"]) == READ.keys() | UNREADABLE
    assert details["fallen"] == ["shrunk"]
    assert "source shrunk: 2 records are accepted, where the delivery before had 8" in said
    assert (details["accepted_rows"], record["input_rows"]) == (sum(PASS.values()), sum(PASS.values()) + 4 + 9)
    for name, reasons in READ.items():
        refused = details["refused"][name]
        assert refused["reasons"] == reasons, name
        assert refused["before"] == 8
        assert len(refused["fingerprint"]) == 64
        assert f"Source {name} h" in refused["problem"]
        assert "the corpus keeps its 8 records" in refused["problem"]
        assert f"--accept {name} --reason TEXT" in said
        assert (f"run_id = '{record['run_id']}' AND source = '{name}'" in said) == bool(reasons)
    for name in UNREADABLE:
        assert f"ource {name} " in details["refused"][name]["problem"]
        assert "records" not in details["refused"][name]


def _accept(spark: SparkSession, config: Path, run_job: RunJob, warehouse: Warehouse) -> None:
    """The same deliveries by hand: one with records, one without any that is accepted, one without any, one good."""
    names = ["more_than_half", "nested", "empty", "good"]
    flags = [word for name in names for word in ("--source", name, "--accept", name)]

    code, record, said = run_job(job, "--config", config, *flags, "--reason", "the export is over")

    assert (code, record["status"]) == (0, "succeeded")
    details = record["details"]
    assert (details["accept"], details["accepted_sources"]) == (names, names[:3])
    assert (details["reason"], bool(details["by"])) == ("the export is over", True)
    assert "source good: its delivery needed no --accept" in said
    assert sorted(details["fallen"]) == ["empty", "nested"]
    corpus, rejects = (slices(spark, warehouse, table) for table in ("corpus", "corpus_rejects"))
    assert [len(corpus[name]) for name in names] == [4, 0, 0, 9]
    assert [len(rejects[name]) for name in names] == [5, 8, 0, 0]

    # An unreadable one cannot be accepted, and keeps no other from being so.
    flags = [word for name in ("gzip", "blank") for word in ("--source", name, "--accept", name)]
    code, record, said = run_job(job, "--config", config, *flags, "--reason", "x")
    assert (code, list(record["details"]["refused"]), record["details"]["accepted_sources"]) == (3, ["gzip"], ["blank"])
    assert "compressed by gzip" in record["error"] or "gzip" in said
    corpus = slices(spark, warehouse, "corpus")
    assert (len(corpus["gzip"]), len(corpus["blank"])) == (8, 0)


def _keep_no_longer_than_others(spark: SparkSession, config: Path, warehouse: Warehouse) -> None:
    """An attempt that is made again leaves its rejects once; upkeep removes what is older than the retention."""
    source = load_pipeline(config).source("unknown_labels")
    assert source is not None
    for _ in range(2):
        with pytest.raises(DeliveryError):
            ingest_corpus(spark, warehouse, "20991231T235959-1a2b3c4d", [source])
    place = warehouse.location("corpus_refused")
    later = place.read(spark).where("run_id > '2099'")
    assert later.count() == 8

    assert not prune_refused(spark, warehouse, Upkeep())
    assert prune_refused(spark, warehouse, Upkeep(retention_days=0, short_retention=True))
    assert not prune_refused(spark, warehouse, Upkeep(retention_days=0, short_retention=True))
    assert [row["run_id"] for row in place.read(spark).select("run_id").distinct().collect()] == [
        "20991231T235959-1a2b3c4d"
    ]


def test_a_first_delivery_that_is_refused_publishes_nothing_of_its_source(
    spark: SparkSession, write_config: Callable[[str], Path], run_job: RunJob, tmp_path: Path
) -> None:
    (tmp_path / "a.tsv").write_text(tsv(rows(8)))
    (tmp_path / "b.tsv").write_text(tsv(rows(1), 2))
    parts = [f'[[sources]]\nname = "{name}"\npath = "{tmp_path}/{name}.tsv"\n{TSV}\n' for name in "ab"]
    config = write_config("".join(parts))
    warehouse = Warehouse.of(load_pipeline(config))

    code, record, said = run_job(job, "--config", config)

    assert code == 3
    assert "Source b has 2 of 3 records rejected: this delivery is refused, nothing of it is published." in said
    assert record["error"].startswith("Source b has 2 of 3 records rejected")
    assert {row["source"] for row in warehouse.location("corpus").read(spark).collect()} == {"a"}
    assert warehouse.location("corpus_rejects").read(spark).count() == 0
    (run,) = warehouse.location("runs").read(spark).collect()
    assert (run["status"], json.loads(run["details"])["refused"]["b"]["rejected"]) == ("failed", 2)
    write_config("[ingest]\nmax_rejects = 1\n" + "".join(parts))
    assert run_job(job, "--config", config)[0] == 0
    assert warehouse.location("corpus").read(spark).where("source = 'b'").count() == 1


@pytest.mark.parametrize(
    "flags",
    [
        ["--accept", "a"], ["--accept", "a", "--reason", " "], ["--reason", "why"],
        ["--accept", "c", "--reason", "why"], ["--source", "b", "--accept", "a", "--reason", "why"],
        ["--accept", "a", "--accept", "A", "--reason", "why"],
    ],
)  # fmt: skip
def test_an_accept_without_a_reason_or_of_no_source_of_the_run_is_2(
    spark: SparkSession, write_config: Callable[[str], Path], run_job: RunJob, tmp_path: Path, flags: list[str]
) -> None:
    config = write_config("".join(f'[[sources]]\nname = "{name}"\npath = "{name}"\n{TSV}\n' for name in "ab"))

    code, record, said = run_job(job, "--config", config, *flags)

    assert (code, record["status"]) == (2, "failed")
    assert "expected" in said
    assert not (tmp_path / "warehouse" / "corpus").exists()
