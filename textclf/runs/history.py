"""Publications of earlier runs, read from run records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from textclf.common.secrets import written_forms
from textclf.quality.audit import Figures
from textclf.quality.gate import Baseline
from textclf.runs.record import RunRecord
from textclf.runs.runs_table import PastRun, known_runs, newest_runs, runs_table
from textclf.storage.delta_log import identity
from textclf.storage.leases import fence
from textclf.storage.leases.locks import Locks
from textclf.storage.staging import any_staged, is_whole
from textclf.storage.warehouse import Location, Warehouse

_RESULTS = "results", "run_id"
_RUNS = 400  # number of newest publications that are read: a year of nights


@dataclass(frozen=True)
class Publication:
    """One run that published to a table, or was refused there.

    Attributes:
        run_id: Identifier of the run.
        ended_at: When the run ended.
        day: Day that was requested; None if the run took the days of its input.
        fingerprint: Digest of everything that decides the run's rows.
        slices: Figures of the audit for each slice.
        input, input_version: As in the run record.
        limited: Whether only some rows of the input were requested.
        input_digest: Digest of the files with the day's rows.
        models: Digest of each model by ``name@version``.
    """

    run_id: str
    ended_at: datetime
    day: date | None
    fingerprint: str | None
    slices: tuple[Figures, ...]
    input: str | None = None
    input_version: int | None = None
    limited: bool = False
    input_digest: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def days(self) -> set[date | None]:
        """Days whose slices the run wrote, and the requested day."""
        asked = {self.day} if self.day else set()
        return asked | {figures.slice.ds for figures in self.slices}


def publications(
    spark: SparkSession, warehouse: Warehouse, output: str, status: str = "succeeded"
) -> list[Publication]:
    """Return the newest runs that published to the table ``output``, or were ``refused`` there, newest first."""
    table = runs_table(spark, warehouse)
    if table is None:
        return []
    published = (F.col("job") == "score_table") & (F.col("status") == status)
    here = F.get_json_object("gate", "$.output").isin(recorded_forms(spark, output))
    return [_publication(run) for run in newest_runs(table.where(published & here), _RUNS)]


def recorded_forms(spark: SparkSession, output: str) -> list[str]:
    """Return the forms in which records may name a table of results: as spelled here, and by its identity."""
    return [form for place in (output, identity(spark, output)) for form in written_forms(place)]


def newest_of_days(published: Iterable[Publication]) -> dict[date | None, Publication]:
    """Return the newest publication of each day; ``published`` is sorted newest first."""
    found: dict[date | None, Publication] = {}
    for publication in published:
        for day in publication.days:
            found.setdefault(day, publication)
    return found


def _publication(run: PastRun) -> Publication:
    details = run.details
    day = details.get("day")
    return Publication(
        run.run_id,
        run.ended_at,
        None if day is None else date.fromisoformat(day),
        details.get("fingerprint"),
        tuple(map(Figures.from_json, run.gate["slices"])),
        run.input,
        run.input_version,
        details.get("limit") is not None,
        details.get("input_digest"),
        run.models,
    )


def stopped_with(
    spark: SparkSession, warehouse: Warehouse, fingerprint: str | None, day: str | None, staged: str
) -> str | None:
    """Return the newest run that was stopped after it had staged all rows of a fingerprint and a day.

    Args:
        spark: An open session.
        warehouse: Warehouse of the runs.
        fingerprint: Digest of what determines the rows. Days that share their files have the same one.
        day: Day of the rows, as in the record of a run; None for those of a whole table with a date column.
        staged: Name of the staged table.

    Returns:
        Identifier of the run; None if there is none.
    """
    if fingerprint is None or not any_staged(spark, warehouse):
        return None
    table = runs_table(spark, warehouse)
    if table is None:
        return None
    same = F.get_json_object("details", "$.fingerprint") == F.lit(fingerprint)
    same &= F.get_json_object("details", "$.day").eqNullSafe(F.lit(day))
    runs = [run.run_id for run in newest_runs(table.where((F.col("status") == "stopped") & same), 3)]
    # One commit stages all rows, so an existing table is complete, unless a VACUUM has removed files.
    return next((run_id for run_id in runs if is_whole(spark, warehouse.staging(spark, run_id, staged))), None)


def baselines(
    found: Sequence[Figures], published: Iterable[Publication], history: int
) -> Mapping[str | None, Mapping[date | None, Baseline]]:
    """Return, for each slice, a baseline over the last ``history`` published days of its source before its own."""
    newest: dict[str | None, dict[date, Figures]] = {}
    for publication in published:
        for figures in publication.slices:
            if figures.slice.ds is not None:  # the newest publication of a slice comes first, and only it counts
                newest.setdefault(figures.slice.source, {}).setdefault(figures.slice.ds, figures)
    made: dict[str | None, dict[date | None, Baseline]] = {}
    for each in found:
        source, ds = each.slice.source, each.slice.ds
        if ds is None:
            continue
        days = sorted((day for day in newest.get(source, {}) if day < ds), reverse=True)[:history]
        if days:
            made.setdefault(source, {})[ds] = Baseline.of(newest[source][day] for day in days)
    return made


def record_killed(spark: SparkSession, warehouse: Warehouse, locks: Locks, output: Location) -> None:
    """Add a record for each run that died while holding a lock, because a killed run cannot write its own.

    Tables are closed to such a run first. So a run that was only held up commits nothing more, and is recorded once.

    Args:
        spark: An open session.
        warehouse: Tables.
        locks: Locks that were taken over from other runs.
        output: Table whose days were locked; the record says whether it has rows of the run.
    """
    dead = {lease.run_id: (lease, day) for lease, day in locks.abandoned}
    if not dead:
        return
    for run_id in known_runs(spark, warehouse, dead):
        dead.pop(run_id)
    # From here on, a run that only stalled cannot publish; what it published before can be read below.
    for table in (output, warehouse.location("results_rejects")):
        fence.close(spark, table, list(dead))
    for lease, day in dead.values():
        record = RunRecord(lease.job, datetime.fromisoformat(lease.since), lease.run_id)
        table_rows = output.read(spark) if output.exists(spark) else None
        of_trials = table_rows is not None and "search_id" in table_rows.columns
        name, key = ("trials", "search_id") if of_trials else _RESULTS
        rows = None if table_rows is None else table_rows.where(F.col(key) == lease.run_id)
        published = rows is not None and bool(rows.limit(1).count())
        record.details = {"day": str(day or "no date"), "host": lease.host, "pid": lease.pid, "published": published}
        record.tables[name] = str(output)
        record.end("killed", f"gave no sign of life after {lease.renewed}; another run took over its lock")
        record.append_for_another(spark, warehouse)
    locks.recorded()
