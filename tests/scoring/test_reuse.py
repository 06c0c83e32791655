"""Texts that were scored before are copied: the same rows as a full pass, without the models."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.factories.artifacts import sample
from tests.scoring.passes import ONE_MODEL, ROUTED, publish, table, values
from textclf.artifact import Artifact, ModelStore
from textclf.config import Pipeline
from textclf.inference.backends import BACKENDS, BackendChoice
from textclf.inference.scorer import Scorer, make_scorer
from textclf.scoring.reuse import with_digests
from textclf.storage.schemas import SCORED

MakePipeline = Callable[[str], Pipeline]
SCHEMA = "id long, text string, source string, ds date"
BEFORE, DAY = date(2026, 1, 30), date(2026, 1, 31)
COLUMNS = ("id", "source", "ds", *SCORED.fieldNames())
GATE = "[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\n"
OLD = [(1, "good food", "yelp", BEFORE), (2, "bad", "yelp", BEFORE), (3, "the food", "trec", BEFORE)]
NEW = [
    (1, "good food", "yelp", DAY),  # as before
    (2, "bad again", "yelp", DAY),  # another text
    (7, "bad", "yelp", DAY),  # another id, a text of before
    (3, "the food", "trec", DAY),
    (4, "good food", "trec", DAY),  # known, but to another model
    (5, None, "yelp", DAY),
    (6, "good food", "nobody", DAY),
    (None, "good food", "yelp", DAY),
]


def noting(folder: Path) -> Callable[[Artifact], Scorer]:
    """A backend that notes each text it scores."""
    (folder / "texts").touch()

    def backend(artifact: Artifact) -> Scorer:
        inner = make_scorer(artifact)

        def noted(batch: pa.Array) -> Any:
            with (folder / "texts").open("a") as file:
                file.write("".join(f"{text}\n" for text in batch.to_pylist()))
            return inner.score(batch)

        return SimpleNamespace(score=noted)

    backend.__qualname__ += str(folder)  # workers outlive a test and keep their models by backend
    return backend


def day_of(found: DataFrame) -> list[tuple[Any, ...]]:
    return values(found.where(F.col("ds") == DAY), *COLUMNS)


def test_the_rows_are_those_of_a_full_pass_and_only_new_texts_are_scored(
    spark: SparkSession,
    make_pipeline: MakePipeline,
    store: ModelStore,
    write: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(BACKENDS, "keras", noting(tmp_path))
    pipeline = make_pipeline(ROUTED + "changed_only = true\nevidence = true\n" + GATE)
    first = publish(spark, pipeline, write(OLD, SCHEMA, name="old"), backend="keras")
    assert (first.scored_rows, first.details["copied_rows"]) == (3, 0)
    (tmp_path / "texts").write_text("")

    path = write(NEW, SCHEMA, name="new")
    run = publish(spark, pipeline, path, backend="keras", day=DAY)

    assert (run.input_rows, run.scored_rows, run.rejected_rows, run.details["copied_rows"]) == (8, 5, 3, 3)
    seen = (tmp_path / "texts").read_text().split("\n")
    assert sorted(filter(None, seen)) == ["bad again", "good food"]  # a null text is an empty one there
    full = make_pipeline(ROUTED + "evidence = true\n" + GATE)
    publish(spark, full, path, backend="keras", day=DAY, output=str(tmp_path / "full"))
    assert day_of(table(spark, pipeline)) == day_of(spark.read.format("delta").load(str(tmp_path / "full")))


@pytest.mark.long
def test_a_table_gets_digests_when_asked_and_another_model_copies_nothing(
    spark: SparkSession, make_pipeline: MakePipeline, store: ModelStore, write: Callable[..., str]
) -> None:
    path = write(list(enumerate(["good", "bad", "good", "the food"])), "id long, text string")
    plain, pipeline = make_pipeline(ONE_MODEL + GATE), make_pipeline(ONE_MODEL + "changed_only = true\n" + GATE)

    def copied(pipeline: Pipeline = pipeline) -> int | None:
        found: int | None = publish(spark, pipeline, path, day=DAY).details.get("copied_rows")
        return found

    assert copied(plain) is None  # a table without digests
    assert copied() == 0  # the column is added
    before = day_of(table(spark, pipeline))
    assert copied() == 4
    assert day_of(table(spark, pipeline)) == before
    store.promote("yelp", store.save(sample("yelp", seed=5)).manifest.version)
    assert copied() == 0


def test_a_digest_is_of_the_text_and_of_how_it_is_scored(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [("good", "a"), ("good", "b"), ("bad", "a"), ("good", "none"), (None, "a")], "text string, key string"
    )
    artifacts = {"a": sample("a"), "b": sample("b")}

    def digests(name: str = "compiled", **asked: bool) -> list[bytes | None]:
        choices = dict.fromkeys(artifacts, BackendChoice(name, ""))
        return [row["text_digest"] for row in with_digests(rows, artifacts, choices, **asked).collect()]

    found = digests(evidence=False)
    assert found[3:] == [None, None]
    assert len({*found, *digests(evidence=True), *digests("keras", evidence=False)}) == 3 * 3 + 1
    assert found == digests(evidence=False)
