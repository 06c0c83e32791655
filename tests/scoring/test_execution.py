"""Results written by workers equal those written by the JVM, and are counted for the audit."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from tests.scoring.scoring import DAY, ONE_MODEL, OPEN_GATE, ROUTED, Scoring
from textclf.scoring import execution
from textclf.scoring.execution import Pass
from textclf.scoring.worker import output
from textclf.storage.stored_files import FileStore, read_packed
from textclf.storage.worker_files import COLUMNS, Packer

LATER = date(2026, 2, 1)
TEXTS, SOURCES, DAYS = ["good food", "bad", "never seen"], ["yelp", "trec"], [DAY, LATER]
ROWS = [
    *((at, TEXTS[at % 3], SOURCES[at % 2], DAYS[at % 5 == 0]) for at in range(40)),
    (100, None, "yelp", DAY),
    (101, "good", "nobody", DAY),
    (102, "good", None, DAY),
    (103, "good", 'joe\'s 100% "q"/a=b ü', LATER),
    (104, "good", "yelp", None),
    (105, "x" * 2000, "trec", DAY),
    (None, "good", "yelp", DAY),
]  # fmt: skip
SETTINGS = 'max_text_bytes = 1000\nall_scores = true\nevidence = true\nchallenger = {yelp = "trec"}\n'


def rows_of(table: DataFrame) -> list[dict[str, Any]]:
    found = [row.asDict() for row in table.collect()]
    kept = [{key: value for key, value in row.items() if key != "run_id"} for row in found]
    return sorted(kept, key=lambda row: repr((row["id"], row["ds"], row["source"])))


def test_workers_leave_the_rows_and_figures_that_the_jvm_leaves(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring.configure(ROUTED + SETTINGS + OPEN_GATE)
    path = scoring.write(ROWS, "id long, text string, source string, ds date")
    found, published = [], []
    for way in ("by workers", "through the JVM", "by Spark"):
        if way == "through the JVM":
            monkeypatch.setattr(Pass, "_direct", property(lambda _: False))
        if way == "by Spark":
            monkeypatch.setattr(Pass, "_packs", property(lambda _: False))
        run = scoring.score(path)
        assert run.gate is not None
        figures = run.gate["slices"]
        published.append(run.details["publish"])
        found.append((rows_of(scoring.results), rows_of(scoring.rejects), figures))
        runs = scoring.results.select("run_id").union(scoring.rejects.select("run_id"))
        assert {row["run_id"] for row in runs.collect()} == {run.run_id}
    assert found[0] == found[1] == found[2]
    assert published[:2] == ["by name"] * 2
    assert published[2].startswith("copied, results_rejects: ")
    results, rejects, _ = found[0]
    assert (len(results), len(rejects)) == (40, 7)
    assert {len(row["scores"]) for row in results} == {2, 6}
    assert {(row["source"], row["challenger_model"]) for row in results} == {("yelp", "trec"), ("trec", None)}


def test_many_slices_and_files_hold_each_row_once(spark: SparkSession, scoring: Scoring) -> None:
    rows = spark.range(5000).select(
        "id",
        F.when(F.col("id") % 50 != 0, F.concat(F.lit("good food "), F.col("id"))).alias("text"),
        F.when(F.col("id") % 2 == 0, "yelp").otherwise("trec").alias("source"),
        F.date_add(F.lit(DAY), (F.col("id") % 6).cast("int")).alias("ds"),
    )
    rows.repartition(3, "source").write.parquet(str(scoring.folder / "input"))
    scoring.configure(ROUTED + OPEN_GATE)
    run = scoring.score(scoring.folder / "input")
    assert (run.scored_rows, run.rejected_rows) == (4900, 100)
    kept = scoring.results.select("id", "source", "ds")
    rejected = scoring.rejects.select("id", "source", "ds")
    assert kept.unionAll(rejected).exceptAll(rows.select("id", "source", "ds")).isEmpty()
    assert kept.count() + rejected.count() == 5000
    # Each file's id range is in the Delta log, so that a query for one id can skip files.
    added = DeltaTable(str(scoring.warehouse.location("results"))).get_add_actions(flatten=True)
    assert None not in pa.table(added)["min.id"].to_pylist()


TYPES: dict[str, list[Any]] = {
    "tinyint": [-128, 127],
    "smallint": [-(2**15), 2**15 - 1],
    "int": [-(2**31), 2**31 - 1],
    "bigint": [-(2**63), 2**63 - 1],
    "float": [float("-inf"), 0.5],
    "double": [float("inf"), -0.0],
    "decimal(38,10)": [Decimal("1234567890123456789012345678.0123456789"), Decimal("-0.0000000001")],
    "decimal(5,2)": [Decimal("-999.99"), Decimal("0.00")],
    "string": ["", "é\u0085'\\\n"],
    "binary": [bytearray(b"\x00\xff"), bytearray(b"")],
    "boolean": [True, False],
    "date": [date(1, 1, 1), date(9999, 12, 31)],
    "timestamp": [datetime(1900, 1, 1), datetime(2026, 1, 31, 23, 59, 59, 999999)],
}


def test_every_type_of_ids_goes_through_workers_and_files_unchanged(spark: SparkSession, tmp_path: Path) -> None:
    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        made = Packer(["kind"], sink, statistics=list(names))
        for batch in batches:
            yield from made.write(("rows",), pa.Table.from_batches([batch]))
        yield from made.close()

    store = FileStore(spark, {"rows": str(tmp_path / "stored")})
    sink, names = store.sink, {f"c{number}": kind for number, kind in enumerate(TYPES)}
    assert {type(field.dataType) for field in schema_of(spark, names)} == set(execution._EXACT)
    rows = [*zip(*TYPES.values(), strict=True), (None,) * len(TYPES)]
    df = spark.createDataFrame(rows, schema_of(spark, names)).repartition(1)
    files = store.store(df.mapInArrow(pack, f"kind string, {COLUMNS}"))
    back = read_packed(spark, files, df.schema)
    assert sorted(map(repr, back.collect())) == sorted(map(repr, df.collect()))
    stats = json.loads(files[0].staged("", []).entry["stats"])
    assert stats["minValues"]["c3"] == -(2**63)
    assert stats["maxValues"]["c11"] == "9999-12-31"
    assert stats["nullCount"] == dict.fromkeys(names, 1)
    assert not {"c4", "c5"} & stats["minValues"].keys()  # JSON has no infinity


def schema_of(spark: SparkSession, names: dict[str, str]) -> StructType:
    return spark.createDataFrame([], ", ".join(f"{name} {kind}" for name, kind in names.items())).schema


def test_of_models_with_the_same_words_each_row_has_its_own() -> None:
    names = output.Names([["a", "b"], ["b", "c"]], ["one", "two"], ["1", "1"], ["d1", "d2"])
    answers = pa.table(
        {
            "model": pa.array([1, 0, -1, 1], pa.int32()),
            "label": pa.array([0, 1, None, 1], pa.int32()),
            "score": pa.array([0.6, 0.7, None, 0.8], pa.float32()),
        }
    )
    found = {name: column.to_pylist() for name, column in names.columns(answers, "").items()}
    assert found["label"] == ["b", "b", None, "c"]
    assert found["model"] == ["two", "one", None, "two"]
    assert found["model_version"] == ["1", "1", None, "1"]
    assert found["model_digest"] == ["d2", "d1", None, "d2"]
    assert found["scores"] == [None] * 4


def test_a_small_input_is_not_cut_into_a_file_per_core(scoring: Scoring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_FEW_CORES", 1)
    scoring.configure(ONE_MODEL + OPEN_GATE)
    rows = [(number, "good food") for number in range(1000)]
    path = scoring.write(rows, "id long, text string")
    for size, files in ((execution._TASK_BYTES, 1), (1, 2)):
        monkeypatch.setattr(execution, "_TASK_BYTES", size)
        scoring.score(path, day=DAY)
        assert scoring.results.count() == 1000
        assert len(scoring.results.inputFiles()) == files
