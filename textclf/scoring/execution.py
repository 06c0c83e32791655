"""The scoring pass: score all rows into staging once, and count what was staged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    ByteType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from textclf.artifact import Artifact
from textclf.common import console
from textclf.config import Pipeline
from textclf.quality.audit import Figures, audit, collected
from textclf.quality.score_bins import BINS
from textclf.runs.history import Publication
from textclf.scoring.dataframe import wanted_of
from textclf.scoring.plan import Plan, ScoreOptions, asked_columns, changed_only
from textclf.scoring.prepare import input_rows, scored_rows
from textclf.scoring.reuse import with_digests
from textclf.scoring.worker.models import PRELOADED, make_resident
from textclf.scoring.worker.output import KINDS, PACKED, Names, ScorePacker
from textclf.scoring.worker.scored_output import ScoredPacker
from textclf.spark.preload.environment import preloading
from textclf.spark.progress import row_counter
from textclf.storage import Location
from textclf.storage.conditions import EVERYTHING
from textclf.storage.plain_files import planned_bytes
from textclf.storage.schemas import DIGEST, TableSpec, layout
from textclf.storage.staged_table import StagedTable, write_log
from textclf.storage.stored_files import FileStore, PackedFile, parquet_codec
from textclf.storage.worker_files import Sink

Packing = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
STAGED = "scored"
"""Name of a run's staged rows."""
_FEW_CORES = 8  # with so few, Spark's own tasks are large enough
_TASK_BYTES = 16 << 20
"""Bytes of input of a task, from which follow some 4 MiB of results: they take as long to read as to open."""
_EXACT = (
    ByteType, ShortType, IntegerType, LongType, FloatType, DoubleType, DecimalType,
    StringType, BinaryType, BooleanType, DateType, TimestampType,
)  # fmt: skip
"""Types of ids that a worker reads and writes without loss."""


@dataclass
class Pass:
    """A scoring pass: one read of the input and one evaluation of the models.

    Workers write the result files themselves, under their final names. Rows pass through the JVM between scoring and
    writing only where they must: for copies of earlier scores, and for tasks with GPUs, which run in a stage of their
    own. Spark writes rows itself, into staging, for ids of a type that Arrow or Parquet cannot hold exactly.

    Attributes:
        earlier: Publications whose scores may be copied, newest first.
    """

    plan: Plan
    pipeline: Pipeline
    options: ScoreOptions
    day: date | None
    earlier: Sequence[Publication]
    run_id: str
    _step: console.Step = field(default_factory=console.current, init=False)
    _read: Observation | None = field(default=None, init=False)
    _figures: list[Figures] | None = field(default=None, init=False)

    def write(self, place: Location) -> None:
        """Score all rows into a new Delta table."""
        if self._packs and self._direct:
            self._pack(place, *self._scored_by_workers())
            return
        scored, self._read = scored_rows(self.plan, self.pipeline, self.options, self.day, self.earlier)
        if self._packs:
            self._pack(place, scored, partial(self._scored_packer, scored.sparkSession))
        else:
            scored = scored.withColumn("run_id", F.lit(self.run_id))
            shape = layout(self.plan.targets.id_type)
            # One commit creates and fills the table; creating it empty first would cost another second.
            place.replace(scored, TableSpec(STAGED, scored.schema, **shape), EVERYTHING)

    def audit(self, stored: StagedTable) -> list[Figures]:
        """Return the figures of each slice: from the pass itself, or counted from the rows if it did not count."""
        return audit(stored.rows) if self._figures is None else self._figures

    def read(self) -> Mapping[str, int]:
        """Return the number of input rows and of copies; counts the input now if this process scored nothing."""
        if self._read is not None:
            return self._read.get
        return {"rows": input_rows(self.plan, self.pipeline, self.day, self.options).count()}

    @property
    def _packs(self) -> bool:
        ids = self.plan.targets.id_type
        return type(ids) in _EXACT and (not isinstance(ids, StringType) or ids == StringType())

    @property
    def _direct(self) -> bool:
        choices = [*self.plan.choices.values(), *self.plan.challenge.choices.values()]
        return not changed_only(self.pipeline, self.options) and not any(each.gpu for each in choices)

    def _scored_by_workers(self) -> tuple[DataFrame, Callable[[Sink], ScorePacker]]:
        rows = self._cut(input_rows(self.plan, self.pipeline, self.day, self.options))
        self._read = Observation()
        if self.plan.digests:
            asked = asked_columns(self.pipeline, self.options)
            rows = with_digests(rows, self.plan.routes.artifacts, self.plan.choices, **asked)
        sent = rows.observe(self._read, F.count(F.lit(1)).alias("rows")).select(*self._sent)
        return sent, partial(self._packer, rows.sparkSession)

    def _cut(self, rows: DataFrame) -> DataFrame:
        """Make tasks large enough for their files: a cluster would cut a small input into one piece per core."""
        cores = rows.sparkSession.sparkContext.defaultParallelism
        if cores <= _FEW_CORES or any(each.name != "compiled" for each in self.plan.choices.values()):
            return rows
        tasks = max(-(-planned_bytes(rows) // _TASK_BYTES), 1)
        return rows.coalesce(tasks) if tasks < cores else rows

    def _pack(self, place: Location, rows: DataFrame, packer: Callable[[Sink], Packing]) -> None:
        """Let workers write files of rows, and stage the files."""
        spark, spec = rows.sparkSession, self.plan.targets.accepted.spec
        targets = zip(KINDS, (self.plan.targets.accepted, self.plan.targets.rejected), strict=True)
        store = FileStore(spark, {kind: target.folder(spark, f"{place}/{kind}") for kind, target in targets})
        with preloading(spark.sparkContext, *PRELOADED):
            packed = rows.mapInArrow(packer(store.sink), PACKED)
        files = store.store(packed)
        # Rejects are staged with the columns of the table of rejects, all other rows with those of the results.
        schema = StructType([*spec.schema, StructField("reason", StringType())])
        try:
            write_log(spark, str(place), store.staged(files, spec), TableSpec(STAGED, schema, spec.partition_by))
        except BaseException:
            store.discard()
            raise
        self._figures = _figures(files)

    @property
    def _sent(self) -> list[Column]:
        """Columns that are sent to workers; a value that all rows share is part of the packer instead."""
        score, routes = self.pipeline.score, self.plan.routes
        names = ["id", "rejected", "text"]
        names += ["ds"] if score.date and self.day is None else []  # a run for one day has one ds
        names += ["source"] if score.source else []
        names += ["key"] if routes.key is None else []
        names += [DIGEST.name] if self.plan.digests else []
        return [F.col(name) for name in names]

    def _scored_packer(self, spark: SparkSession, sink: Sink) -> ScoredPacker:
        spec, shape = self.plan.targets.accepted.spec, layout(self.plan.targets.id_type)
        return ScoredPacker(
            columns=_own_columns(spec),
            run_id=self.run_id,
            bins=BINS,
            codec=parquet_codec(spark),
            statistics=shape["statistics"],
            sink=sink,
            partition_by=spec.partition_by,
        )

    def _packer(self, spark: SparkSession, sink: Sink) -> ScorePacker:
        plan = self.plan
        artifacts, challenge = plan.routes.artifacts, plan.challenge
        spec, shape = plan.targets.accepted.spec, layout(plan.targets.id_type)
        return ScorePacker(
            models=make_resident(spark, artifacts, plan.choices, challenge, plan.fallbacks),
            wanted=wanted_of(artifacts, challenge.artifacts, **asked_columns(self.pipeline, self.options)),
            champions=_names(artifacts),
            challengers=_names(challenge.artifacts),
            columns=_own_columns(spec),
            ds=None if self.day is None else self.day.isoformat(),
            source=None if self.pipeline.score.source else plan.routes.key,
            most_sources=plan.most_sources,
            run_id=self.run_id,
            bins=BINS,
            codec=parquet_codec(spark),
            statistics=shape["statistics"],
            sink=sink,
            partition_by=spec.partition_by,
            seen=row_counter(spark.sparkContext, self._step),
        )


def _own_columns(spec: TableSpec) -> tuple[str, ...]:
    return tuple(name for name in spec.columns if name not in spec.partition_by)


def _names(artifacts: Mapping[str, Artifact]) -> Names:
    manifests = [each.manifest for each in artifacts.values()]
    return Names(
        labels=tuple(tuple(each.labels) for each in manifests),
        models=tuple(each.name for each in manifests),
        versions=tuple(each.version for each in manifests),
        digests=tuple(each.digest for each in artifacts.values()),
    )


def _figures(files: Sequence[PackedFile]) -> list[Figures]:
    """Sum up what workers counted for the rows of these files, as ``audit`` does."""
    groups = []
    for file in files:
        ds, source = file.values.get("ds"), file.values.get("source")
        for reason, label, bin_, unknown, rows in file.noted:
            group = {"ds": ds and date.fromisoformat(ds), "source": source, "reason": reason, "label": label}
            groups.append(group | {"bin": bin_, "rows": rows, "unknown": rows * unknown})
    return collected(groups)
