"""A model as a column function for DataFrames, SQL and streams."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql.pandas import functions as pandas_functions
from pyspark.sql.types import StructType

from textclf.artifact import Artifact
from textclf.inference.backends import BACKENDS, choose
from textclf.scoring.worker.batch import Wanted, score_batch
from textclf.scoring.worker.models import Models, Resident, compiled_code
from textclf.spark.worker_gc import settle
from textclf.storage.schemas import SCORED
from textclf.text.arrow import by_bytes

_FIELDS = ("label", "score", "scores", "known_tokens", "evidence")
SCORE = StructType([SCORED[name] for name in _FIELDS])
"""Type of a scoring function's value."""

_BYTES = 8 << 20  # of texts scored at a time: sessions that textclf has not opened send batches of up to 256 MiB

_arrow_udf: Any = pandas_functions.arrow_udf  # their type hints lack structs
_pandas_udf: Any = pandas_functions.pandas_udf


@dataclass(frozen=True)
class Carried:
    """A value that travels with the function. Unlike a broadcast it works under Spark Connect, without SparkContext."""

    value: Any


def score_udf(
    model: Artifact,
    *,
    kind: Literal["arrow", "pandas"] = "arrow",
    backend: str = "auto",
    all_scores: bool = False,
    evidence: bool = False,
) -> Any:
    """Make a column function that scores texts, for DataFrames, SQL and streams.

    Its value is a struct with ``label``, ``score``, ``scores``, ``known_tokens`` and ``evidence``. It is null if the
    text is null or not valid UTF-8, or if its score is not a number.

    The model travels with the function, so it works with any session, in streams and under Spark Connect; the
    executors need the package textclf. Spark evaluates it once per row, even if a later filter uses the score.

    In SQL each call in a query is one evaluation: ``spark.udf.register("score", score_udf(model))``, then
    ``SELECT id, s.label FROM (SELECT id, score(text) AS s FROM texts) WHERE s.score > 0.9``.

    Args:
        model: Model from ``ModelStore.load``, ``Classifier.artifact_`` or ``load_registered``.
        kind: ``arrow`` passes Arrow arrays; ``pandas`` passes pandas series, for Spark before 4.1.
        backend: ``compiled`` or ``keras``; ``auto`` chooses the compiled scorer for architectures that have one.
        all_scores: Fill ``scores`` with the probability of every label; null by default.
        evidence: Fill ``evidence`` with the n-gram that moved the decision most; null by default.

    Returns:
        A function of one column of texts.

    Raises:
        UsageError: The backend cannot score the model.
        ArtifactError: The model does not reproduce the scores recorded at training.

    Example:
        >>> from textclf import Classifier, open_session, score_udf
        >>> spark = open_session("example")
        >>> model = Classifier("logistic_regression").fit(["good food", "bad food"] * 4, ["+", "-"] * 4).artifact_
        >>> texts = spark.createDataFrame([(1, "good place"), (2, None)], "id long, text string")
        >>> scored = texts.select("id", score_udf(model)("text").alias("s"))
        >>> scored.select("id", "s.label").orderBy("id").collect()
        [Row(id=1, label='+'), Row(id=2, label=None)]
    """
    wanted = Wanted(len(model.manifest.labels) > 2, all_scores, evidence)
    models = _carried(model, backend)
    labels = pa.array(model.manifest.labels, pa.string())

    def score(texts: pa.Array) -> pa.StructArray:
        parts = [_full(score_batch(part, None, models, wanted), labels) for part in by_bytes(texts, _BYTES)]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)

    def score_arrow(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        models.prepare()
        for texts in batches:
            yield score(texts)
        settle()

    def score_pandas(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        models.prepare()
        for texts in batches:
            answer = score(pa.array(texts, pa.string()))
            yield pd.DataFrame({name: answer.field(name).to_pandas() for name in _FIELDS})
        settle()

    made = _arrow_udf(score_arrow, SCORE) if kind == "arrow" else _pandas_udf(score_pandas, SCORE)
    return made.asNondeterministic()


def _carried(model: Artifact, backend: str) -> Models:
    """Pack the model and its compiled code into the function itself."""
    choice = choose(model, backend)
    labels, made = len(model.manifest.labels), BACKENDS[choice.name]
    resident = Resident(0, model.reference, model.digest, labels, choice, made, Carried(model), choice.tolerance)
    code = compiled_code([(model, choice)])
    return Models({"": resident}, code=None if code is None else Carried(code))


def _full(answer: pa.StructArray, labels: pa.StringArray) -> pa.StructArray:
    """Return a batch's answer with names of labels, and nulls for values that were not requested."""
    missing = pa.array(answer.field("model").to_numpy() < 0)
    names = {answer.type.field(number).name for number in range(answer.type.num_fields)}
    rows = len(answer)
    columns = {
        "label": labels.take(answer.field("label")),
        "score": answer.field("score"),
        "scores": answer.field("scores") if "scores" in names else pa.nulls(rows, pa.list_(pa.float32())),
        "known_tokens": answer.field("known_tokens"),
        "evidence": answer.field("evidence") if "evidence" in names else pa.nulls(rows, pa.string()),
    }
    mask = missing if np.asarray(missing).any() else None
    return pa.StructArray.from_arrays(list(columns.values()), list(columns), mask=mask)
