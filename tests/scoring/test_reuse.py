"""Scores of texts scored before are copied, and equal those of a full pass without running the models."""

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
from tests.scoring.scoring import DAY, ONE_MODEL, OPEN_GATE, ROUTED, Scoring, values
from textclf.artifact import Artifact
from textclf.inference.backends import BACKENDS, BackendChoice
from textclf.inference.scorer import Scorer, make_scorer
from textclf.scoring.reuse import with_digests
from textclf.storage.schemas import SCORED

SCHEMA = "id long, text string, source string, ds date"
BEFORE = date(2026, 1, 30)
COLUMNS = ("id", "source", "ds", *SCORED.fieldNames())
OLD = [(1, "good food", "yelp", BEFORE), (2, "bad", "yelp", BEFORE), (3, "the food", "trec", BEFORE)]
NEW = [
    (1, "good food", "yelp", DAY),  # unchanged
    (2, "bad again", "yelp", DAY),  # the text has changed
    (7, "bad", "yelp", DAY),  # a new id with a known text
    (3, "the food", "trec", DAY),
    (4, "good food", "trec", DAY),  # a known text of another model
    (5, None, "yelp", DAY),
    (6, "good food", "nobody", DAY),
    (None, "good food", "yelp", DAY),
]


def noting(folder: Path) -> Callable[[Artifact], Scorer]:
    """Return a backend that records each text it scores."""
    (folder / "texts").touch()

    def backend(artifact: Artifact) -> Scorer:
        inner = make_scorer(artifact)

        def noted(batch: pa.Array) -> Any:
            with (folder / "texts").open("a") as file:
                file.write("".join(f"{text}\n" for text in batch.to_pylist()))
            return inner.score(batch)

        return SimpleNamespace(score=noted)

    backend.__qualname__ += str(folder)  # workers outlive a test and cache models by backend
    return backend


def day_of(found: DataFrame) -> list[tuple[Any, ...]]:
    return values(found.where(F.col("ds") == DAY), *COLUMNS)


def test_the_rows_are_those_of_a_full_pass_and_only_new_texts_are_scored(
    spark: SparkSession, scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "keras", noting(scoring.folder))
    scoring.configure(ROUTED + "changed_only = true\nevidence = true\n" + OPEN_GATE)
    first = scoring.publish(scoring.write(OLD, SCHEMA, name="old"), backend="keras")
    assert (first.scored_rows, first.details["copied_rows"]) == (3, 0)
    (scoring.folder / "texts").write_text("")

    path = scoring.write(NEW, SCHEMA, name="new")
    run = scoring.publish(path, backend="keras", day=DAY)

    assert (run.input_rows, run.scored_rows, run.rejected_rows, run.details["copied_rows"]) == (8, 5, 3, 3)
    seen = (scoring.folder / "texts").read_text().split("\n")
    assert sorted(filter(None, seen)) == ["bad again", "good food"]  # a null text is scored as empty
    scoring.configure(ROUTED + "evidence = true\n" + OPEN_GATE)
    scoring.publish(path, backend="keras", day=DAY, output=str(scoring.folder / "full"))
    assert day_of(scoring.results) == day_of(spark.read.format("delta").load(str(scoring.folder / "full")))


@pytest.mark.long
def test_a_table_gets_digests_when_asked_and_another_model_copies_nothing(scoring: Scoring) -> None:
    path = scoring.write(list(enumerate(["good", "bad", "good", "the food"])), "id long, text string")

    def copied(more: str = "changed_only = true\n") -> int | None:
        scoring.configure(ONE_MODEL + more + OPEN_GATE)
        found: int | None = scoring.publish(path, day=DAY).details.get("copied_rows")
        return found

    assert copied("") is None  # the table has no digests
    assert copied() == 0  # the column is added
    before = day_of(scoring.results)
    assert copied() == 4
    assert day_of(scoring.results) == before
    scoring.promote(sample("yelp", seed=5))
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
