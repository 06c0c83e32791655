"""Models as a column function: built once a worker process, applied to Arrow batches."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import StringType, StructField, StructType

from textclf.artifact import Artifact
from textclf.scoring.backends import Backend
from textclf.scoring.scorer import Scorer
from textclf.tables.schemas import SCORED

SCORED_OR_REFUSED = StructType([*SCORED.fields, StructField("reason", StringType())])
"""What the column function gives: a score, or the reason why there is none."""

Batches = Iterator[tuple[pd.Series, pd.Series]]
_COLUMNS = SCORED_OR_REFUSED.fieldNames()
_scorers: dict[tuple[str, str], Scorer] = {}  # of this worker process; Spark reuses it for task after task


def score_udf(
    spark: SparkSession, artifacts: Mapping[str, Artifact], backend: Backend, *, all_scores: bool = False
) -> Callable[[Column, Column], Column]:
    """A function of (text, key) columns; the key says which of ``artifacts`` scores the row.

    Its value has the fields of ``SCORED_OR_REFUSED``. ``reason`` is ``null_text`` or ``no_model`` (no artifact
    of that key), and null in rows with a score. Spark evaluates it once a row, whatever is filtered on later.

    Args:
        artifacts: Models by key; sent to each executor once.
        all_scores: Give ``scores`` for two labels too, not only for more.
    """
    models = spark.sparkContext.broadcast(dict(artifacts))

    def score(batches: Batches) -> Iterator[pd.DataFrame]:
        for texts, keys in batches:
            yield score_batch(texts, keys, models.value, backend, all_scores=all_scores)

    made: Any = pandas_udf(score, SCORED_OR_REFUSED)  # type: ignore[call-overload]
    # Spark would otherwise evaluate it again for a filter on the score that it moves below the projection.
    once: Callable[[Column, Column], Column] = made.asNondeterministic()
    return once


def score_batch(
    texts: pd.Series, keys: pd.Series, artifacts: Mapping[str, Artifact], backend: Backend, *, all_scores: bool
) -> pd.DataFrame:
    """Scores of a batch, shape (n, fields of ``SCORED_OR_REFUSED``)."""
    columns = {name: np.full(len(texts), None, object) for name in _COLUMNS}
    present = texts.notna().to_numpy()
    columns["reason"][:] = np.where(present, "no_model", "null_text")
    for key in keys.dropna().unique():
        rows = np.flatnonzero(present & (keys == key).to_numpy())
        if key in artifacts and len(rows):
            _fill(columns, rows, artifacts[key], _scorer(artifacts[key], backend), texts, all_scores=all_scores)
    return pd.DataFrame(columns)


def _fill(
    columns: Mapping[str, Any], rows: Any, artifact: Artifact, scorer: Scorer, texts: pd.Series, *, all_scores: bool
) -> None:
    manifest = artifact.manifest
    scores, known = scorer.score(pa.array(texts.iloc[rows], pa.string()))
    best = scores.argmax(axis=1)
    columns["label"][rows] = np.array(manifest.labels, object)[best]
    columns["score"][rows] = scores[np.arange(len(rows)), best]
    columns["known_tokens"][rows] = known
    columns["model"][rows] = manifest.name
    columns["model_version"][rows] = manifest.version
    columns["model_digest"][rows] = artifact.digest
    columns["reason"][rows] = None
    if all_scores or len(manifest.labels) > 2:
        for row, of_row in zip(rows, scores, strict=True):
            columns["scores"][row] = of_row


def _scorer(artifact: Artifact, backend: Backend) -> Scorer:
    """The scorer of an artifact, built by the first batch that needs it in this process."""
    key = (f"{backend.__module__}.{backend.__qualname__}", artifact.digest)
    if key not in _scorers:
        _scorers[key] = backend(artifact)
    return _scorers[key]
