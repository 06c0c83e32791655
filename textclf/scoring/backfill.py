"""A range of days, each its own slices, commit and run record."""

import hashlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

from pyspark import inheritable_thread_target
from pyspark.sql import SparkSession

from textclf.config import Pipeline, config_digest, masked
from textclf.errors import TextclfError, UsageError
from textclf.scoring.inputs import files_digest
from textclf.scoring.score import Plan, ScoreOptions, plan_scoring, score_planned
from textclf.tables import RunRecord, Warehouse
from textclf.tables.history import publications

_SHOWN = 10  # days that a message names


@dataclass(frozen=True)
class Range:
    """Days from ``first`` to ``last``, both included.

    Attributes:
        parallel: Days that are scored side by side.
        force: Score days again whose rows could not differ.
    """

    first: date
    last: date
    parallel: int = 2
    force: bool = False

    @property
    def days(self) -> list[date]:
        """Each day, in order."""
        return [self.first + timedelta(days=count) for count in range((self.last - self.first).days + 1)]


def score_range(
    spark: SparkSession,
    warehouse: Warehouse,
    pipeline: Pipeline,
    run: RunRecord,
    options: ScoreOptions,
    days: Range,
) -> None:
    """Score each day of a range as ``score_table`` does; ``run`` sums up, each day has a record of its own.

    A day is skipped where its newest publication had the same input, models, pipeline file and options: killed in
    the middle and started again, only what is missing is scored. The input is read as it is now, for all days.

    Raises:
        UsageError: The input has no date column, or as ``score_table``.
        TextclfError: Days failed; all others are published. Its exit code is theirs, 1 where they differ.
    """
    if pipeline.score.date is None:
        raise UsageError(
            "A range of days needs to know the day of each row.",
            received="no date under [score]",
            expected="the name of the input's column of days",
            fix="set date under [score], or score one day with --date",
        )
    plan = plan_scoring(spark, warehouse, pipeline, options)
    plan.note(run)
    mark = fingerprint(plan, pipeline, options)
    done = {} if days.force else _published(spark, warehouse, plan)
    wanted = [day for day in days.days if mark is None or done.get(day) != mark]
    with ThreadPoolExecutor(days.parallel) as pool:
        records = list(pool.map(_scorer(spark, warehouse, pipeline, run, options, plan, mark), wanted))
    _sum_up(run, records, skipped=len(days.days) - len(wanted))
    _raise_for(records)


def fingerprint(plan: Plan, pipeline: Pipeline, options: ScoreOptions) -> str | None:
    """Digest of all that decides the rows of a day; None where the input's content cannot be told from its files."""
    table = plan.table
    content = str(table.version) if table.version is not None else files_digest(table)
    if content is None:
        return None
    of_rows = asdict(replace(options, input=None, output=None, day=None))
    parts = [str(table.place), content, sorted(plan.routes.digests.items()), config_digest(pipeline), of_rows]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def _published(spark: SparkSession, warehouse: Warehouse, plan: Plan) -> Mapping[date | None, str | None]:
    """Fingerprint of the newest publication of each day."""
    found: dict[date | None, str | None] = {}
    for publication in publications(spark, warehouse, plan.output):
        for day in publication.days:
            found.setdefault(day, publication.fingerprint)
    return found


def _scorer(
    spark: SparkSession,
    warehouse: Warehouse,
    pipeline: Pipeline,
    whole: RunRecord,
    options: ScoreOptions,
    plan: Plan,
    mark: str | None,
) -> Callable[[date], tuple[RunRecord, int]]:
    """The function that scores one day and gives its record, kept in ``runs``, and its exit code."""

    def score(day: date) -> tuple[RunRecord, int]:
        run = RunRecord(whole.job, config_digest=whole.config_digest, spark_app_id=whole.spark_app_id)
        run.details |= {"fingerprint": mark, "range": whole.run_id}
        code = 0
        try:
            score_planned(spark, warehouse, pipeline, run, replace(options, day=day), plan)
            run.end("succeeded")
        except TextclfError as error:
            code = error.exit_code
            run.end(error.status, error.problem)
            sys.stderr.write(masked(f"{whole.job}, {day}: {error}\n"))
        except Exception as error:  # noqa: BLE001 - the outermost frame of a day: recorded, reported, other days go on
            code = 1
            run.end("failed", f"{type(error).__name__}: {error}".partition("\n")[0][:500])
            sys.stderr.write(masked(traceback.format_exc()))
        run.append(spark, warehouse)
        sys.stderr.write(f"{whole.job}, {day}: {run.status}, {run.scored_rows or 0} rows scored\n")
        return run, code

    # With the job group and the other local properties of the caller's thread.
    made: Callable[[date], tuple[RunRecord, int]] = inheritable_thread_target(spark)(score)
    return made


def _sum_up(run: RunRecord, records: Sequence[tuple[RunRecord, int]], skipped: int) -> None:
    days = [record for record, _ in records]
    run.input_rows = sum(day.input_rows or 0 for day in days)
    run.scored_rows = sum(day.scored_rows or 0 for day in days)
    run.rejected_rows = sum(day.rejected_rows or 0 for day in days)
    copied = [day.details["copied_rows"] for day in days if "copied_rows" in day.details]
    if copied:
        run.details["copied_rows"] = sum(copied)
    counts = {status: sum(day.status == status for day in days) for status in sorted({day.status for day in days})}
    run.details["days"] = counts | {"skipped": skipped}


def _raise_for(records: Sequence[tuple[RunRecord, int]]) -> None:
    failed = [(record, code) for record, code in records if code]
    if not failed:
        return
    named = [f"{record.details.get('day')} {record.status} ({record.run_id})" for record, _ in failed[:_SHOWN]]
    more = f", {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    codes = {code for _, code in failed}
    error = TextclfError(
        f"{len(failed)} of {len(records)} days were not published; all others are.",
        received=", ".join(named) + more,
        expected="every day published",
        fix="see the message of each day above; the same command again takes up what is missing",
    )
    if len(codes) == 1:
        error.exit_code, error.status = codes.pop(), failed[0][0].status
    raise error
