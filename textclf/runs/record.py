"""Run records: one row in ``runs`` and one JSON line for each run of a job, failed ones too."""

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
from textclf.storage.driver_append import append_rows
from textclf.storage.leases.fence import OPEN, Fence
from textclf.storage.run_points import reached
from textclf.storage.schemas import RUNS
from textclf.storage.warehouse import Warehouse


@dataclass
class RunRecord:
    """What one run of a job read, did and left: a row of ``runs``, a line of JSON.

    Attributes:
        job: Name of the job.
        started_at: When it began; now by default.
        run_id: Identifier that sorts by time; a new one by default.
        status: ``running``, ``succeeded``, ``failed``, ``refused`` (by the gate), ``locked`` (by another run) or
            ``killed`` (noted by the run that found its lock).
        ended_at: When it ended; None while it lasts.
        input: Path, URL or name of what it read.
        input_version: Version of the input where it is a Delta table.
        input_rows: Number of rows that it read.
        scored_rows: Number of rows with a score.
        rejected_rows: Number of rows without one, each with a reason.
        models: Digest of each model used, by ``name@version``.
        gate: The audit's figures, checks and verdict, where the job has a gate.
        config_digest: Digest of the pipeline file.
        spark_app_id: Identifier of the Spark application.
        error: The problem that ended it.
        tables: Location of each table that the run wrote.
        details: Figures of the job's own, which it may replace whole.
        code_version: Version of the code; in ``runs`` among the details.

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
    # No field, and so in no row: what keeps a run that was taken for dead from being recorded a second time.
    fence = OPEN

    def __post_init__(self) -> None:
        self.run_id = self.run_id or new_run_id(self.started_at)

    @property
    def seconds(self) -> float | None:
        """Wall time of the run, None while it lasts."""
        return None if self.ended_at is None else round((self.ended_at - self.started_at).total_seconds(), 3)

    def end(self, status: str, error: str | None = None) -> None:
        """Note how the run ended, and when.

        Args:
            status: ``succeeded``, ``failed``, ``refused``, ``locked`` or ``killed``.
            error: The problem that ended it; None for none.
        """
        self.status, self.error, self.ended_at = status, error, datetime.now(UTC)

    def to_json(self, stream: TextIO | None = None) -> str:
        """Give the record as one line of JSON; fields without a value are left out, places and free text are masked.

        Args:
            stream: Stream that the line will be written to: what its encoding lacks is escaped. None for UTF-8.

        Returns:
            The line, without a line break.
        """
        values = masked_record(asdict(self)) | {"seconds": self.seconds}
        kept = {key: value for key, value in values.items() if value not in (None, {}, "")}
        return json_text({name: _plain(value) for name, value in kept.items()}, stream=stream)

    def row(self) -> dict[str, Any]:
        """Give the record as a row of ``runs``: places and free text are masked as in ``to_json``, names are not.

        Returns:
            Values by the name of the column.
        """
        values = masked_record(asdict(self))
        details = values["details"] | {name: values[name] for name in ("tables", "code_version")}
        values["gate"] = None if self.gate is None else json.dumps(values["gate"], ensure_ascii=False)
        values["details"] = json.dumps(details, default=str, ensure_ascii=False)
        return {name: values[name] for name in RUNS.columns}

    def append(self, spark: SparkSession, warehouse: Warehouse) -> None:
        """Add the record to the ``runs`` table.

        Args:
            spark: An open session.
            warehouse: The tables; ``runs`` is created where there is none.

        Raises:
            LockError: Another run has taken the run's lock over and recorded it as killed; that record stays.
        """
        try:
            self._append(spark, warehouse)
        except LockError:
            raise
        except Exception:
            if not cancellation.asked():
                raise
            self._append(spark, warehouse)  # the first was cancelled with the run's other jobs

    def _append(self, spark: SparkSession, warehouse: Warehouse) -> None:
        row, place = tuple(self.row().values()), warehouse.location(RUNS.name)
        place.ensure(spark, RUNS)
        reached("recording")
        # Of a run without locks, too: one record, though the first attempt has failed of what came after its commit.
        fence = self.fence if self.fence.run_id is not None else Fence(self.run_id)
        try:
            retried(lambda: append_rows(spark, place, RUNS, [row], fence))
        except LockError:
            # Who took the lock over may have recorded the run: one of the two records is kept, the first.
            if not self.append_for_another(spark, warehouse):
                raise LockError(
                    "This run was held up for so long that another run took it for dead, and recorded it as killed.",
                    received=f"a record of {self.run_id} as killed; this one would say: {self.status}",
                    expected="no sign of life missed for longer than a lease",
                    fix="look at the run that took its lock over; where machines stall for long, set a longer lease "
                    "under [lock]",
                ) from None
        reached("recorded")

    def append_for_another(self, spark: SparkSession, warehouse: Warehouse) -> bool:
        """Add the record, unless there is one of a run that was taken for dead.

        Args:
            spark: An open session.
            warehouse: The tables.

        Returns:
            Whether it was added.
        """
        row, place = tuple(self.row().values()), warehouse.location(RUNS.name)
        place.ensure(spark, RUNS)
        return retried(lambda: append_rows(spark, place, RUNS, [row], closed_to=self.run_id))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
