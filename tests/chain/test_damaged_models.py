"""With damaged manifests, the night reports them, continues, and rebuilds the models that it cannot use."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.artifact.manifest import MAX_MANIFEST_BYTES
from textclf.chain.earlier_runs import Done, Past
from textclf.chain.facts import plan_builds
from textclf.chain.model_rules import NightRule
from textclf.chain.rules import Decision
from textclf.config import Pipeline
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse

NIGHT = date(2026, 1, 31)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: data[:0],
    "cut": lambda data: data[: len(data) // 2],
    "no_json": lambda data: b"\xff\xfe" + data,
    "other_json": lambda data: b"[" + data + b"]",
    "nested": lambda data: b"[" * 100_000 + data,
    "grown": lambda data: data + b" " * MAX_MANIFEST_BYTES,
}


def damage(folder: str, version: str, change: Callable[[bytes], bytes]) -> None:
    path = Path(folder, "s", version, "manifest.json")
    path.write_bytes(change(path.read_bytes()))


@pytest.fixture
def pipeline(make_pipeline: Callable[[str], Pipeline]) -> Pipeline:
    return make_pipeline('[[sources]]\nname = "s"\npath = "s.jsonl"\nformat = "jsonl"\n')


def planned(spark: SparkSession, pipeline: Pipeline) -> Decision:
    """Return the night's decision for a source whose corpus has as many rows as its model was trained on."""
    at = datetime(2026, 1, 30, 12, tzinfo=UTC)
    done = Done("r0", "a job", at, at, {"accepted": 100, "settings": "x", "night": "2026-01-30"})
    before = Past(ingested={"s": done}, built={"s": done})
    (decision,) = plan_builds(Workspace(spark, pipeline), before, NightRule(pipeline.nightly, NIGHT)).models
    return decision


def saved(pipeline: Pipeline, versions: int, champion: str) -> str:
    folder = Warehouse.of(pipeline).models
    store = ModelStore(folder)
    for _ in range(versions):
        store.save(sample("s"))
    store.promote("s", champion)
    return folder


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_version_in_use_is_built_anew(
    spark: SparkSession, pipeline: Pipeline, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder = saved(pipeline, 2, "2")
    assert planned(spark, pipeline).due is False
    damage(folder, "2", DAMAGE[kind])

    decision = planned(spark, pipeline)

    assert (decision.due, decision.reason) == (True, "version 2, which is in use, is damaged")
    assert "model s@2 is damaged" in capsys.readouterr().err


def test_a_damaged_version_that_is_not_in_use_is_passed_over(
    spark: SparkSession, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(saved(pipeline, 3, "1"), "3", DAMAGE["cut"])

    decision = planned(spark, pipeline)

    assert decision.due is False
    assert decision.reason.startswith("version 2, built 1 days ago")
    assert capsys.readouterr().err.count("model s@3 is damaged") == 1


def test_a_model_without_any_version_left_is_built_anew(spark: SparkSession, pipeline: Pipeline) -> None:
    folder = saved(pipeline, 1, "1")
    Path(folder, "s", "1", "manifest.json").unlink()

    decision = planned(spark, pipeline)

    assert (decision.due, decision.reason) == (True, "version 1, which is in use, is missing")
