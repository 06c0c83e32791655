"""Columns of every table that textclf writes."""

from dataclasses import dataclass
from typing import TypedDict

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NumericType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)


@dataclass(frozen=True)
class TableSpec:
    """A table's name, columns and partition columns.

    Attributes:
        name: Name of the table.
        schema: Columns of the table.
        partition_by: Names of the partition columns.
        statistics: Columns whose lowest and highest values are recorded for each file, so that queries can skip files;
            None for Delta's default. Texts are left out: queries do not filter by ranges of texts, and their statistics
            cost a third of the writing time. Labels are left out because every file holds every label.
        small_commits: Whether rows come a few at a time, by ``driver_append.append_rows``. Delta would otherwise write
            a checkpoint every ten commits, in a Spark job that waits behind the work that the rows report on;
            ``driver_append.merge_appended`` writes one when that work has ended.
    """

    name: str
    schema: StructType
    partition_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] | None = None
    small_commits: bool = False

    @property
    def properties(self) -> dict[str, str]:
        """Delta properties of the table."""
        found = {"delta.checkpointInterval": "100"} if self.small_commits else {}
        if self.statistics is None:
            return found
        if not self.statistics:
            return found | {"delta.dataSkippingNumIndexedCols": "0"}
        return found | {"delta.dataSkippingStatsColumns": ",".join(self.statistics)}

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return self.schema.fieldNames()


def _schema(**columns: DataType) -> StructType:
    return StructType([StructField(name, kind) for name, kind in columns.items()])


_TEXT, _LONG, _INT, _TIME = StringType(), LongType(), IntegerType(), TimestampType()

CORPUS = TableSpec(
    "corpus",
    _schema(source=_TEXT, file=_TEXT, position=_LONG, text=_TEXT, label=_TEXT),
    ("source",),
    ("position",),
)
CORPUS_REJECTS = TableSpec(
    "corpus_rejects",
    _schema(source=_TEXT, file=_TEXT, position=_LONG, reason=_TEXT, raw=_TEXT, lines=_LONG),
    ("source",),
    ("position", "reason"),
)
CORPUS_REFUSED = TableSpec(
    # Rejects of each source's newest refused delivery; run_id is the first run that refused it. Partitioned by both, so
    # that rows can be removed without rewriting files.
    "corpus_refused",
    _schema(source=_TEXT, run_id=_TEXT, file=_TEXT, position=_LONG, reason=_TEXT, raw=_TEXT, lines=_LONG),
    ("source", "run_id"),
    ("position", "reason"),
)
VOCABULARY = TableSpec(
    "vocabulary", _schema(source=_TEXT, index=_INT, token=_TEXT, count=_LONG), ("source",), ("index", "token", "count")
)
TOKENS = TableSpec(
    # file is needed because record numbers start from 0 in each file of a source
    "tokens",
    _schema(source=_TEXT, file=_TEXT, position=_LONG, tokens=ArrayType(_TEXT, False)),
    ("source",),
    (),
)
TRIALS = TableSpec(
    "trials",
    _schema(
        search_id=_TEXT,
        trial=_TEXT,
        source=_TEXT,
        architecture=_TEXT,
        params=_TEXT,
        outer_fold=_INT,
        fold=_INT,
        seed=_LONG,
        budget=_INT,
        status=_TEXT,
        accuracy=DoubleType(),
        loss=DoubleType(),
        epochs=_INT,
        seconds=DoubleType(),
        parameters=_LONG,
        history=_TEXT,
        error=_TEXT,
        corpus_digest=_TEXT,
        started_at=_TIME,
    ),
    statistics=("trial", "source"),
    small_commits=True,
)
RUNS = TableSpec(
    "runs",
    _schema(
        run_id=_TEXT,
        job=_TEXT,
        status=_TEXT,
        started_at=_TIME,
        ended_at=_TIME,
        input=_TEXT,
        input_version=_LONG,
        input_rows=_LONG,
        scored_rows=_LONG,
        rejected_rows=_LONG,
        models=MapType(_TEXT, _TEXT, False),
        gate=_TEXT,
        config_digest=_TEXT,
        spark_app_id=_TEXT,
        error=_TEXT,
        details=_TEXT,
    ),
    small_commits=True,
)

SCORED = _schema(
    label=_TEXT,
    score=FloatType(),
    scores=ArrayType(FloatType(), False),
    known_tokens=_INT,
    evidence=_TEXT,
    model=_TEXT,
    model_version=_TEXT,
    model_digest=_TEXT,
)
"""Columns that a scorer adds to a row."""

CHALLENGED = _schema(
    challenger_label=_TEXT,
    challenger_score=FloatType(),
    challenger_scores=ArrayType(FloatType(), False),
    challenger_model=_TEXT,
    challenger_version=_TEXT,
    challenger_digest=_TEXT,
)
"""Columns that a challenger adds to a row; null in rows without a challenger."""

DIGEST = StructField("text_digest", BinaryType())
"""Digest of a row's text and of how it was scored; a column of ``results`` if only changed rows are to be scored."""


def results(id_type: DataType, *, challenged: bool = False, digests: bool = False) -> TableSpec:
    """Make the specification of the results table.

    Args:
        id_type: Type of the ids.
        challenged: Whether to include the columns of a challenger. A table has them from its first run with one.
        digests: Whether to include ``DIGEST``.
    """
    head = StructType([StructField("id", id_type), StructField("source", _TEXT), StructField("ds", DateType())])
    tail = [StructField("run_id", _TEXT), *(CHALLENGED.fields if challenged else []), *([DIGEST] if digests else [])]
    return TableSpec("results", StructType([*head.fields, *SCORED.fields, *tail]), ("ds", "source"))


def results_rejects(id_type: DataType) -> TableSpec:
    """Make the specification of the table of rows that could not be scored, for ids of type ``id_type``."""
    return TableSpec(
        "results_rejects",
        StructType(
            [
                StructField("id", id_type),
                StructField("source", _TEXT),
                StructField("ds", DateType()),
                StructField("reason", _TEXT),
                StructField("run_id", _TEXT),
            ]
        ),
        ("ds", "source"),
    )


class Layout(TypedDict):
    """How the rows of a scoring pass are stored in staging."""

    partition_by: tuple[str, ...]
    statistics: tuple[str, ...]


def layout(id_type: DataType) -> Layout:
    """Choose the layout of staged rows so that files of accepted rows can become files of ``results`` as they are.

    Partition columns, ``reason`` among them, are only in the names of folders.
    """
    # Every file holds every label and score, but ids often ascend. Delta records no statistics of other types.
    ids = ("id",) if isinstance(id_type, NumericType | StringType | DateType | TimestampType) else ()
    return Layout(partition_by=("reason", "ds", "source"), statistics=ids)
