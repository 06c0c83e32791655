"""A row that raises is rejected and its neighbours are scored; models whose weights overflow."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.environments import environment
from tests.factories.artifacts import sample
from tests.factories.worker_models import models
from tests.scoring.scoring import DAY, ONE_MODEL, ROUTED, Scoring, values
from textclf.artifact import Artifact
from textclf.inference.backends import BACKENDS, choose
from textclf.inference.scorer import make_scorer
from textclf.scoring import execution
from textclf.scoring.dataframe import add_scores
from textclf.scoring.udf import score_udf
from textclf.scoring.worker import output
from textclf.scoring.worker.batch import (
    INVALID_SCORE,
    NULL_TEXT,
    REASONS,
    UNDECODABLE,
    UNREADABLE,
    Wanted,
    score_batch,
)
from textclf.scoring.worker.row_errors import MOST_ROWS, Net
from textclf.storage.worker_files import Packer


def poisoned(error: BaseException, word: str = "poison") -> Any:
    """Return a backend that raises for a batch whose texts include a word."""

    def backend(artifact: Artifact) -> Any:
        inner = make_scorer(artifact)

        def score(texts: pa.Array) -> Any:
            if any(word in text for text in texts.to_pylist()):
                raise error
            return inner.score(texts)

        return SimpleNamespace(score=score)

    backend.__qualname__ += f"{type(error).__name__}{id(error)}"  # workers cache models by backend
    return backend


def net(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Net:
    monkeypatch.setitem(BACKENDS, "keras", poisoned(error))
    return Net(models(sample("a"), backend="keras"), Wanted(scores=True, all_scores=True))


@pytest.mark.parametrize("where", [[0], [6], [3, 4], [0, 1, 2, 3, 4, 5, 6], []])
def test_a_row_that_raises_is_alone_unreadable(where: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str | None] = ["good", "bad", "good food", None, "", "was", "the"]
    for row in where:
        texts[row] = "poison"
    given = net(ValueError("no such word"), monkeypatch)
    clean = pa.array([None if text == "poison" else text for text in texts], pa.string())
    found = given.score(pa.array(texts, pa.string()), None).to_pylist()
    expected = score_batch(clean, None, given._models, given._wanted).to_pylist()
    for row, (one, other) in enumerate(zip(found, expected, strict=True)):
        if row in where:
            assert one == dict.fromkeys(one, None) | {"model": UNREADABLE}
        else:
            assert one == other


@pytest.mark.parametrize("error", [MemoryError(), OSError("disk"), ImportError("scipy"), KeyboardInterrupt()])
def test_what_is_no_matter_of_a_row_ends_the_task(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(type(error)):
        net(error, monkeypatch).score(pa.array(["good", "poison"]), None)


def test_a_task_with_very_many_unreadable_rows_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    given = net(ValueError("all of them"), monkeypatch)
    assert len(given.score(pa.array(["poison"] * MOST_ROWS), None)) == MOST_ROWS
    with pytest.raises(ValueError, match="all of them"):
        given.score(pa.array(["poison"]), None)


def test_a_pass_counts_unreadable_rows_and_says_so(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scoring.configure(ONE_MODEL + "[gate]\nmax_rejects = 1.0\n")
    rows = [(number, "poison" if number in (3, 17) else "good") for number in range(20)]
    path = scoring.write(rows, "id long, text string")
    secret = "hunter2-" * 5
    for more in ({}, {"changed_only": True}):  # written by workers, and through the JVM
        monkeypatch.setitem(BACKENDS, "keras", poisoned(ValueError("no such word\nnor that")))
        run = scoring.score(path, day=DAY, backend="keras", **more)
        assert (run.input_rows, run.scored_rows, run.details["rejects"]) == (20, 18, {"unreadable_row": 2})
        assert run.details["unreadable_rows"]["rows"] == 2
        assert run.details["unreadable_rows"]["first_error"].startswith("ValueError: no such word (test_row_errors.py:")
        assert "2 rows were rejected as unreadable_row because scoring them failed" in capfd.readouterr().err
        assert values(scoring.rejects, "id", "reason") == [
            (17, "unreadable_row"),
            (3, "unreadable_row"),
        ]
        # A secret that crosses the record's length limit is masked, not cut.
        monkeypatch.setitem(BACKENDS, "keras", poisoned(ValueError("x" * 170 + secret)))
        with environment({"PASSWORD": secret}):
            run = scoring.score(path, day=DAY, backend="keras", **more)
        first = run.details["unreadable_rows"]["first_error"]
        assert first.startswith("ValueError: " + "x" * 170 + "${PASSWORD} (test_row_errors.py:")
        assert "hunter2" not in capfd.readouterr().err


def test_what_one_column_of_an_unreadable_row_holds_is_known_unless_it_raises() -> None:
    row = pa.table({"id": [3], "ds": pa.array([date(2026, 1, 5)]), "source": ["yelp"], "odd": [[1]], "none": [None]})
    assert [output._readable(row, name) for name in ("ds", "source", "none", "odd")] == [
        *("2026-01-05", "yelp", None, None)
    ]


def test_an_unreadable_row_is_replaced_by_the_next_run_of_its_day_and_no_other(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring.configure(ROUTED + "[gate]\nmax_rejects = 1.0\n")
    other = date(2026, 1, 5)
    rows: list[tuple[Any, ...]] = [(1, "good", "yelp", str(DAY)), (2, "good", "yelp", str(DAY))]
    rows += [(3, "good", "yelp", "2026")]
    rows += [(4, "good", "trec", str(other)), (5, None, "yelp", str(other))]
    path = scoring.write(rows, "id long, text string, source string, ds string")

    class Unable(output.ScorePacker):
        """A packer that raises for rows 2 and 4."""

        def _results(self, rows: pa.Table) -> Any:
            if {2, 4} & set(rows["id"].to_pylist()):
                raise ValueError("no such row")
            return super()._results(rows)

    unable: list[Any] = [(2, "unreadable_row", DAY, "yelp"), (4, "unreadable_row", other, "trec")]
    always: list[Any] = [(3, "bad_date", None, "yelp"), (5, "null_text", other, "yelp")]

    def rejects() -> list[Any]:
        return values(scoring.rejects, "id", "reason", "ds", "source")

    def scored() -> list[Any]:
        return values(scoring.results, "id")

    with monkeypatch.context() as patch:
        patch.setattr(execution, "ScorePacker", Unable)
        scoring.score(path)
        assert (rejects(), scored()) == (sorted([*unable, *always], key=repr), [(1,)])
        run = scoring.score(path, day=DAY)
        assert run.details["rejects"] == {"unreadable_row": 1}
        assert (rejects(), scored()) == (sorted([*unable, *always], key=repr), [(1,)])
    run = scoring.score(path, day=DAY)
    assert run.input_rows == run.scored_rows == 2
    assert (rejects(), scored()) == (sorted([unable[1], *always], key=repr), [(1,), (2,)])
    scoring.score(path, day=other, changed_only=True)
    assert (rejects(), scored()) == (sorted(always, key=repr), [(1,), (2,), (4,)])


def overflowing(kind: str, labels: tuple[str, ...]) -> Artifact:
    """Return a model whose finite weights overflow when summed for texts with the word good."""
    made = sample("huge", kind=kind, labels=labels)
    weights = {name: tensor.copy() for name, tensor in made.weights.items()}
    good = made.vocabulary.tokens.index("good")
    with np.errstate(all="ignore"):
        for name, tensor in weights.items():
            most = np.finfo(tensor.dtype).max
            if name == "embedding.embeddings":
                tensor[good + 1] = most
            elif kind == "logistic_regression" and name == "output.kernel":
                tensor[good] = most
                tensor[made.vocabulary.tokens.index("bad")] = -most
            elif tensor.ndim > 1:
                tensor[...] = np.where(np.arange(tensor.size).reshape(tensor.shape) % 2, most, -most)
    return Artifact.pack(made.manifest, weights, made.vocabulary, made.golden)


@pytest.mark.parametrize("backend", ["auto", "keras"])
@pytest.mark.parametrize(
    ("kind", "labels"), [("cnn", ("0", "1")), ("cnn", ("a", "b", "c")), ("logistic_regression", ("a", "b", "c"))]
)
def test_scores_that_are_no_numbers_make_rejects(kind: str, labels: tuple[str, ...], backend: str) -> None:
    given = models(overflowing(kind, labels), backend=backend)
    texts = ["good good bad bad", "", None, "good food " * 3]
    with np.errstate(all="ignore"):
        raw: Any = given.by_key["huge"].scorer().score(pa.array([text or "" for text in texts]))[0]
        found = score_batch(pa.array(texts), None, given, Wanted(scores=True, all_scores=True)).to_pylist()
    finite: list[bool] = np.isfinite(raw).all(axis=1).tolist()
    for row, text in enumerate(texts):
        model = NULL_TEXT if text is None else 0 if finite[row] else INVALID_SCORE
        assert found[row]["model"] == model
        assert (found[row]["label"] is None, found[row]["score"] is None) == (model < 0, model < 0)
    if kind == "cnn" and len(labels) > 2:
        assert not all(finite)


def test_functions_and_columns_agree_on_odd_rows(spark: SparkSession) -> None:
    huge = overflowing("cnn", ("a", "b", "c"))
    rows = [(0, b"good good"), (1, b"bad"), (2, None), (3, b"\xff"), (4, b"\xed\xa0\x80 good"), (5, b"")]
    texts = spark.createDataFrame(rows, "id int, text binary").select("id", F.col("text").cast("string"))
    added = add_scores(texts, {"huge": huge}, {"huge": choose(huge, "auto")}).orderBy("id").collect()
    reasons = [row["reason"] for row in added]
    assert reasons[2:5] == ["null_text", "undecodable_bytes", "undecodable_bytes"]
    assert "invalid_score" in reasons
    udf = texts.select("id", score_udf(huge)("text").alias("s")).orderBy("id").collect()
    assert [row["s"] is None for row in udf] == [reason is not None for reason in reasons]
    assert [row["s"] and row["s"]["score"] for row in udf] == [row["score"] for row in added]


def test_reasons_have_a_word_each() -> None:
    assert len(set(REASONS.values())) == len(REASONS) == 5
    assert REASONS[UNDECODABLE] == "undecodable_bytes"


def test_slices_beyond_32_bits_keep_their_rows() -> None:
    days, sources = 40_000, 60_000  # twice their product exceeds int32
    at = np.arange(days + sources)
    rows = pa.table(
        {
            "ds": pa.array(np.minimum(at, days - 1).astype(np.int32) - 10_000).cast(pa.date32()),
            "source": pa.array([f"s{max(number - days, 0)}" for number in at]),
            "reason": pa.array([None if number % 2 else "no_model" for number in at]),
            "at": at,
        }
    )
    count = 0
    for day, source, refused, part in output.parts(rows):
        for number in part["at"].to_pylist():
            assert (day, source, refused) == (
                str(np.datetime64(min(number, days - 1) - 10_000, "D")),
                f"s{max(number - days, 0)}",
                number % 2 == 0,
            )
            count += 1
    assert count == days + sources


def test_days_of_early_years_have_four_digits() -> None:
    rows = pa.table({"ds": pa.array([date(5, 3, 1), None, date(9999, 12, 31)]), "reason": pa.nulls(3, pa.string())})
    assert [day for day, _, _, _ in output.parts(rows)] == ["0005-03-01", "9999-12-31", None]


def test_very_many_labels_are_named_quickly() -> None:
    words = [f"label {number % 30_000}" for number in range(60_000)]
    numbers = np.arange(60_000)
    found = output._named(words, numbers, np.zeros(60_000, np.bool_))  # quadratic code would take minutes
    assert found.to_pylist() == words


def test_bounds_that_python_has_no_value_for_are_left_out() -> None:
    made = Packer(["kind"], statistics=["day", "at", "id"])
    far = pa.array([3_000_000, -900_000], pa.int32()).cast(pa.date32())
    at = pa.array([2**62, -(2**62)], pa.int64()).cast(pa.timestamp("us", "UTC"))
    list(made.write(("rows",), pa.table({"day": far, "at": at, "id": pa.array([1, 2])})))
    (row,) = made.close()
    assert '"minValues": {"id": 1}' in row["statistics"][0].as_py()


def test_files_side_by_side_are_closed_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textclf.storage.worker_files.FILE_BYTES", 20_000)
    made = Packer(["kind"])
    part = pa.table({"id": np.random.default_rng(1).integers(0, 2**60, 500)})
    written = [row for number in range(200) for row in made.write((str(number % 40),), part)]
    assert sum(each.sink.tell() for each in made._open.values()) == made._bytes <= 2 * 20_000
    written += made.close()
    assert made._bytes == 0
    assert sum(row["rows"][0].as_py() for row in written) == 200 * 500
