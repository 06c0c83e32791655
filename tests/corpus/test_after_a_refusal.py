"""The state of a source after runs that refused its delivery or failed halfway, as read from real tables."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from textclf.chain.earlier_runs import Done, Past
from textclf.chain.facts import plan_reads
from textclf.chain.retry import again
from textclf.config import Ingest, load_pipeline
from textclf.corpus.ingest import Before, fingerprints
from textclf.runs.deliveries import INGEST, refused_before
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse
from textclf.storage.run_points import listening
from textclf.storage.schemas import RUNS
from textclf.workflow import steps

SOURCE = '[[sources]]\nname = "a"\npath = "{}"\nformat = "tsv"\ncolumns = ["text", "label"]\n'


def test_files_that_come_back_after_a_refusal_are_read(
    spark: SparkSession, write_config: Callable[[str], Path], tmp_path: Path
) -> None:
    """Files that are restored with their old times, as by rsync -a, end the refusal only when they are read."""
    folder, kept = tmp_path / "data", tmp_path / "kept"
    folder.mkdir()
    (folder / "a.tsv").write_text("good\t1\n")
    shutil.copytree(folder, kept)
    pipeline = load_pipeline(write_config(SOURCE.format(folder)))

    def done(run_id: str) -> Done:
        at = datetime(2026, 1, 30, tzinfo=UTC)
        mark = fingerprints(spark, pipeline.sources)["a"].digest
        return Done(run_id, INGEST, at, at, {"fingerprint": mark, "accepted": 1})

    published = {"a": done("r1")}
    (folder / "a.tsv").write_text("bad\n")
    refused = {"a": done("r2")}
    shutil.copy2(kept / "a.tsv", folder / "a.tsv")
    assert published["a"].figures == done("r3").figures != refused["a"].figures

    (decision,) = plan_reads(Workspace(spark, pipeline), Past(published, refused=refused)).decisions

    assert (decision.due, decision.reason) == (True, "run r2 refused its newest delivery: read again")
    (decision,) = plan_reads(Workspace(spark, pipeline), Past(published)).decisions
    assert not decision.due


def test_refusals_are_told_of_the_pipelines_sources_alone_as_far_back_as_a_night_looks(
    spark: SparkSession, tmp_path: Path
) -> None:
    warehouse = Warehouse(str(tmp_path), None, str(tmp_path))
    old = {"refused": {"a": {"problem": "Source a is bad."}, "gone": {"problem": "Source gone is bad."}}}
    details: list[dict[str, Any]] = [old, *[{"sources": {"b": {}}}] * 500]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    records = [RunRecord(INGEST, at, f"r{number:04}", ended_at=at, details=each) for number, each in enumerate(details)]
    table = spark.createDataFrame([tuple(record.row().values()) for record in records], RUNS.schema).coalesce(1)
    table.write.format("delta").save(str(warehouse.location(RUNS.name)))

    assert refused_before(spark, warehouse, "r9", ["a", "b"]) == {"a": ("r0000", "Source a is bad.")}
    assert refused_before(spark, warehouse, "r0000", ["a", "b"]) == {}


def test_an_attempt_that_fails_between_the_two_tables_is_made_up_for_by_the_next_and_its_large_fall_is_told(
    spark: SparkSession, write_config: Callable[[str], Path], tmp_path: Path
) -> None:
    file = tmp_path / "a.tsv"
    pipeline = load_pipeline(write_config(SOURCE.format(file)))
    pipeline = pipeline.model_copy(update={"ingest": Ingest(max_rejects=0.9)})
    workspace = Workspace(spark, pipeline)
    warehouse = workspace.warehouse

    def ingest(before: Before) -> RunRecord:
        record = RunRecord(INGEST)
        again(lambda: steps.ingest(workspace, record, pipeline.sources, before=before), 1, 0)
        return record

    def held() -> list[int]:
        return [warehouse.location(name).read(spark).count() for name in ("corpus", "corpus_rejects")]

    file.write_text("good\t1\n" * 8 + "bad\n")
    first = ingest({})
    assert (held(), first.details["fallen"], "before" in first.details["sources"]["a"]) == ([8, 1], [], False)
    file.write_text("good\t1\n" * 2 + "bad\n" * 3)
    reached: list[tuple[str, list[int]]] = []

    def fail_once(point: str) -> None:
        if point.startswith("committed "):
            reached.append((os.path.basename(point), held()))
            if len(reached) == 1:
                raise ConnectionError("Connection reset")

    with listening(fail_once):
        record = ingest({})

    # Between the two commits the rejects are one delivery behind; the next run on the source replaces both.
    assert reached == [("corpus", [2, 1]), ("corpus", [2, 1]), ("corpus_rejects", [2, 3])]
    assert held() == [2, 3]
    assert (record.details["fallen"], record.details["sources"]["a"]["before"]) == (["a"], 8)
