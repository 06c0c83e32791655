"""Scores as columns of a DataFrame: workers score each row once and return numbers, the JVM adds the names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark import Accumulator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas import functions as arrow_functions
from pyspark.sql.types import StructField, StructType

from textclf.artifact import Artifact
from textclf.errors import UsageError
from textclf.inference.backends import BackendChoice, Challenge
from textclf.scoring.worker.batch import CHALLENGER, REASONS, Wanted
from textclf.scoring.worker.kernel_report import Fallbacks
from textclf.scoring.worker.models import PRELOADED, Models, make_resident
from textclf.scoring.worker.row_errors import Net
from textclf.scoring.worker.source_limit import SourceLimit
from textclf.spark.gpu import gpu_profile
from textclf.spark.preload.environment import preloading
from textclf.spark.worker_gc import settle
from textclf.storage.schemas import CHALLENGED, SCORED

arrow_udf: Any = arrow_functions.arrow_udf  # its type hints lack structs


def add_scores(
    rows: DataFrame,
    artifacts: Mapping[str, Artifact],
    choices: Mapping[str, BackendChoice],
    *,
    key: str | None = None,
    all_scores: bool = False,
    evidence: bool = False,
    challenge: Challenge | None = None,
    fallbacks: Accumulator[Fallbacks] | None = None,
    limit: tuple[str, int] | None = None,
) -> DataFrame:
    """Add the columns of ``SCORED`` and ``reason`` to ``rows``; ``reason`` is null in rows that have a score.

    With challengers, add the columns of ``CHALLENGED`` too: null in rows without a score or without a challenger.

    Only the text, the key and the limited column leave the JVM; all other columns stay as they are, whatever their
    type. Spark evaluates each row once, even if a later filter uses the score. For a preview, limit ``rows`` first:
    Spark does not push a limit below the names that the JVM adds, and would score whole partitions.

    Args:
        rows: Rows with a column ``text``.
        artifacts: Models by key, in the order of their numbers.
        choices: Backend of each model, by key.
        key: Name of the column that says which model scores a row; None if one model scores all rows.
        all_scores: Give ``scores`` for models with two labels too, not only for those with more.
        evidence: Give the n-gram that moved each decision most.
        challenge: Challengers; where both models know the same tokens, a text is tokenized once.
        fallbacks: Accumulator in which workers report that numba cannot run; see ``kernel_report.listen``.
        limit: Name of a string column, and the number of different values of it that one task may meet before it
            fails; see ``SourceLimit``.

    Raises:
        UsageError: ``rows`` belong to a Spark Connect session.
    """
    _refuse_connect(rows)
    challengers = challenge.artifacts if challenge else {}
    wanted = wanted_of(artifacts, challengers, all_scores=all_scores, evidence=evidence)
    models = make_resident(rows.sparkSession, artifacts, choices, challenge, fallbacks)
    if any(choice.gpu for choice in [*choices.values(), *(challenge.choices.values() if challenge else ())]):
        answered = _on_gpus(rows, models, wanted, key, limit)
    else:
        with preloading(rows.sparkSession.sparkContext, *PRELOADED):
            answered = rows.withColumn("answer", _function(models, wanted, key, limit))
    named = _named(list(artifacts.values()), list(challengers.values()), wanted)
    kept = [F.col(f"`{name}`") for name in rows.columns]
    return answered.select(*kept, *(column.alias(name) for name, column in named.items()))


def wanted_of(
    artifacts: Mapping[str, Artifact], challengers: Mapping[str, Artifact], *, all_scores: bool, evidence: bool
) -> Wanted:
    """Return what workers must compute for these models; see ``add_scores``."""
    several = any(len(each.manifest.labels) > 2 for each in [*artifacts.values(), *challengers.values()])
    return Wanted(several, all_scores, evidence, bool(challengers))


def _refuse_connect(rows: DataFrame) -> None:
    if type(rows).__module__.startswith("pyspark.sql.connect"):
        raise UsageError(
            "A table cannot be scored this way under Spark Connect, where a client has no broadcasts.",
            received=type(rows).__module__,
            expected="a DataFrame of a session in the driver",
            fix="use score_udf(model), which carries the model itself",
        )


def _function(models: Models, wanted: Wanted, key: str | None, limit: tuple[str, int] | None) -> Any:
    counted, most = limit or (None, None)
    inputs = list(dict.fromkeys(name for name in ("text", key, counted) if name is not None))
    if inputs == ["text"]:

        def score_all(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
            models.prepare()
            net = Net(models, wanted)
            for texts in batches:
                yield net.score(texts, None)
            settle()

        made = arrow_udf(score_all, wanted.schema)
    else:

        def score(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
            models.prepare()
            net, met = Net(models, wanted), SourceLimit(most)
            for batch in models.gathered(pa.record_batch(list(each), inputs) for each in batches):
                met.meet([] if counted is None else batch.column(counted).unique().to_pylist())
                yield net.score(batch.column("text"), None if key is None else batch.column(key))
            settle()

        made = arrow_udf(score, wanted.schema)
    # Otherwise Spark evaluates the function again for a filter on the score that it pushes below the projection.
    return made.asNondeterministic()(*map(F.col, inputs))


def _on_gpus(
    rows: DataFrame, models: Models, wanted: Wanted, key: str | None, limit: tuple[str, int] | None
) -> DataFrame:
    """Add the answers to ``rows`` in a Spark stage of their own: resources of tasks can only be set for a stage."""
    names = rows.columns
    counted, most = limit or (None, None)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        models.prepare()
        net, met = Net(models, wanted), SourceLimit(most)
        for batch in batches:
            keys = batch.column(names.index(key)) if key is not None else None
            met.meet([] if counted is None else batch.column(names.index(counted)).unique().to_pylist())
            answer = net.score(batch.column(names.index("text")), keys)
            yield pa.RecordBatch.from_arrays([*batch.columns, answer], names=[*names, "answer"])
        settle()

    schema = StructType([*rows.schema.fields, StructField("answer", wanted.schema)])
    return rows.mapInArrow(score, schema, profile=gpu_profile())


def _named(champions: Sequence[Artifact], challengers: Sequence[Artifact], wanted: Wanted) -> dict[str, Column]:
    found = _of_role(champions, wanted, "")
    found["known_tokens"] = F.col("answer.known_tokens")
    found["evidence"] = F.col("answer.evidence") if wanted.evidence else F.lit(None)
    for name in ("version", "digest"):
        found[f"model_{name}"] = found.pop(name)
    fields = SCORED.fields
    if wanted.challenger:
        second = _of_role(challengers, wanted, CHALLENGER)
        found |= {f"{CHALLENGER}{name}": column for name, column in second.items()}
        fields = [*fields, *CHALLENGED.fields]
    model, reason = F.col("answer.model"), F.lit(None).cast("string")
    for number, word in REASONS.items():
        reason = F.when(model == number, F.lit(word)).otherwise(reason)
    typed = {field.name: found[field.name].cast(field.dataType) for field in fields}
    return typed | {"reason": reason}


def _of_role(artifacts: Sequence[Artifact], wanted: Wanted, prefix: str) -> dict[str, Column]:
    """Columns of the champions or of the challengers, with names in place of numbers."""
    model, label = F.col(f"answer.{prefix}model"), F.col(f"answer.{prefix}label")
    manifests = [artifact.manifest for artifact in artifacts]
    labels = [manifest.labels for manifest in manifests]
    same = all(each == labels[0] for each in labels)
    return {
        "label": _one_of(labels[0], label) if same else F.get(F.get(F.array(*map(_array_of, labels)), model), label),
        "score": F.col(f"answer.{prefix}score"),
        "scores": F.col(f"answer.{prefix}scores") if wanted.scores or wanted.all_scores else F.lit(None),
        "model": _one_of([manifest.name for manifest in manifests], model),
        "version": _one_of([manifest.version for manifest in manifests], model),
        "digest": _one_of([artifact.digest for artifact in artifacts], model),
    }


def _one_of(values: Sequence[str], number: Column) -> Column:
    """The value with that number; null if the number is null or out of range."""
    if len(values) == 1:
        return F.when(number == 0, F.lit(values[0]))
    return F.get(_array_of(values), number)


def _array_of(values: Sequence[str]) -> Column:
    return F.array(*map(F.lit, values))
