"""Run records: one row in ``runs`` and one line of JSON for each run of a job, including failed runs."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

from pyspark.sql import SparkSession

from textclf._version import code_version
from textclf.common.run_ids import new_run_id
from textclf.common.terminal import json_text
from textclf.errors import LockError
from textclf.runs.masked_fields import masked_record
from textclf.spark import cancellation
from textclf.storage.commit_retry import retried
from textclf.storage.driver_append import append_rows, merge_appended
from textclf.storage.leases.fence import OPEN, Fence
from textclf.storage.run_points import reached
from textclf.storage.schemas import RUNS
from textclf.storage.warehouse import Warehouse


@dataclass
class RunRecord:
    """The record of one run of a job: a row of ``runs`` and a line of JSON.

    Attributes:
        job: Name of the job.
        started_at: When the run started; by default now.
        run_id: Identifier that sorts by time; by default a new one.
        status: ``running``, ``succeeded``, ``failed``, ``refused`` (by the gate), ``locked`` (by another run) or
            ``killed`` (recorded by the run that found its lock).
        ended_at: When the run ended; None while it is running.
        input: Path, URL or name of the input.
        input_version: Version of the input, if it is a Delta table.
        input_rows: Number of rows read.
        scored_rows: Number of rows with a score.
        rejected_rows: Number of rows without a score, each with a reason.
        models: Digest of each model used, by ``name@version``.
        gate: Figures of the audit, checks and verdict; None for jobs without a gate.
        config_digest: Digest of the pipeline file.
        spark_app_id: Identifier of the Spark application.
        error: Problem that ended the run.
        tables: Location of each table that the run wrote.
        details: Figures specific to the job, which may replace them as a whole.
        code_version: Version of the code; in ``runs`` it is among the details.
        launch: How the driver's JVM was started; in ``runs`` it is among the details. See ``launch_facts``.

    Example:
        >>> from textclf import RunRecord
        >>> run = RunRecord("score_table")
        >>> run.end("succeeded")
        >>> run.status, run.seconds >= 0
        ('succeeded', True)
    """

    job: str
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    run_id: str = ""
    status: str = "running"
    ended_at: datetime | None = None
    input: str | None = None
    input_version: int | None = None
    input_rows: int | None = None
    scored_rows: int | None = None
    rejected_rows: int | None = None
    models: dict[str, str] = field(default_factory=dict)
    gate: dict[str, Any] | None = None
    config_digest: str | None = None
    spark_app_id: str | None = None
    error: str | None = None
    tables: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    code_version: str = field(default_factory=code_version)
    launch: dict[str, Any] = field(default_factory=dict)
    # Not a field, and so not a column: keeps a run that was taken for dead from being recorded a second time.
    fence = OPEN

    def __post_init__(self) -> None:
        self.run_id = self.run_id or new_run_id(self.started_at)

    @property
    def seconds(self) -> float | None:
        """Wall time of the run in seconds; None while it is running."""
        return None if self.ended_at is None else round((self.ended_at - self.started_at).total_seconds(), 3)

    def end(self, status: str, error: str | None = None) -> None:
        """Set the status, the error and the end time.

        Args:
            status: ``succeeded``, ``failed``, ``refused``, ``locked`` or ``killed``.
            error: Problem that ended the run; None if there was none.
        """
        self.status, self.error, self.ended_at = status, error, datetime.now(UTC)

    def to_json(self, stream: TextIO | None = None) -> str:
        """Return the record as one line of JSON, without empty fields and with paths and free text masked.

        Args:
            stream: Stream that the line will be written to; characters that its encoding lacks are escaped. None for
                UTF-8.

        Returns:
            Line without a line break.
        """
        values = masked_record(asdict(self)) | {"seconds": self.seconds}
        kept = {key: value for key, value in values.items() if value not in (None, {}, "")}
        return json_text({name: _plain(value) for name, value in kept.items()}, stream=stream)

    def row(self) -> dict[str, Any]:
        """Return the record as a row of ``runs``; paths and free text are masked as in ``to_json``, names are not.

        Returns:
            Values by name of the column.
        """
        values = masked_record(asdict(self))
        details = values["details"] | {name: values[name] for name in ("tables", "code_version", "launch")}
        values["gate"] = None if self.gate is None else json.dumps(values["gate"], ensure_ascii=False)
        values["details"] = json.dumps(details, default=str, ensure_ascii=False)
        return {name: values[name] for name in RUNS.columns}

    def append(self, spark: SparkSession, warehouse: Warehouse) -> None:
        """Add the record to the ``runs`` table.

        Args:
            spark: An open session.
            warehouse: Tables; ``runs`` is created if it does not exist.

        Raises:
            LockError: Another run took over this run's lock and recorded it as killed; that record stays.
        """
        try:
            self._append(spark, warehouse)
        except LockError:
            raise
        except Exception:
            if not cancellation.asked():
                raise
            self._append(spark, warehouse)  # the first attempt was cancelled with the run's other jobs
        merge_appended(spark, warehouse.location(RUNS.name), RUNS)

    def _append(self, spark: SparkSession, warehouse: Warehouse) -> None:
        row, place = tuple(self.row().values()), warehouse.location(RUNS.name)
        place.ensure(spark, RUNS)
        reached("recording")
        # A run without locks needs a fence too: there must be one record even if an attempt fails after its commit.
        fence = self.fence if self.fence.run_id is not None else Fence(self.run_id)
        try:
            retried(lambda: append_rows(spark, place, RUNS, [row], fence))
        except LockError:
            # The run that took over the lock may have recorded this one; only the first of the two records is kept.
            if not self.append_for_another(spark, warehouse):
                raise LockError(
                    "This run was held up for so long that another run took it for dead and recorded it as killed.",
                    received=f"a record of {self.run_id} as killed; its own record would say: {self.status}",
                    expected="a sign of life at least once per lease",
                    fix="look at the run that took over its lock; if machines stall for long, set a longer lease "
                    "under [lock]",
                ) from None
        reached("recorded")

    def append_for_another(self, spark: SparkSession, warehouse: Warehouse) -> bool:
        """Add the record of a run that was taken for dead, unless it already has one.

        Args:
            spark: An open session.
            warehouse: Tables.

        Returns:
            Whether the record was added.
        """
        row, place = tuple(self.row().values()), warehouse.location(RUNS.name)
        place.ensure(spark, RUNS)
        return retried(lambda: append_rows(spark, place, RUNS, [row], closed_to=self.run_id))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
