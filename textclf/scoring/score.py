"""The scoring pass: read the input once, evaluate the models once, then replace whole slices."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

from textclf.config import Pipeline
from textclf.errors import GateError
from textclf.quality.audit import Figures, repeated_ids
from textclf.quality.gate import judge, refusal
from textclf.runs.history import Publication, baselines, publications, record_killed, stopped_with
from textclf.runs.record import RunRecord
from textclf.runs.run_lock import run_locked
from textclf.runs.workspace import Workspace, takes_workspace
from textclf.scoring.baselines import tested_baselines
from textclf.scoring.execution import STAGED, Pass
from textclf.scoring.input.change_feed import changed_since
from textclf.scoring.input.source_names import check_sources
from textclf.scoring.lost_models import lost_models
from textclf.scoring.pass_errors import explained
from textclf.scoring.plan import Plan, ScoreOptions, asked_since, changed_only, plan_scoring
from textclf.scoring.reuse import COPIED
from textclf.scoring.run_notes import note_copies, note_kernels, note_unreadable
from textclf.scoring.worker.batch import REASONS, UNREADABLE
from textclf.spark import cancellation
from textclf.spark.job_names import carried, described, together
from textclf.storage import Location, staged
from textclf.storage.leases.locks import UNDATED
from textclf.storage.run_points import reached

__all__ = ["ScoreOptions", "score_planned", "score_table"]


@takes_workspace
def score_table(workspace: Workspace, run: RunRecord, options: ScoreOptions, held: ExitStack | None = None) -> None:
    """Score a table into ``results`` and ``results_rejects``, and note in ``run`` what was read and written.

    Each row of the input ends up in one of the two tables. The slices (ds, source) that the input has rows of are
    replaced; all others stay. Nothing is published before every row is scored, counted and audited.

    Args:
        workspace: Session, pipeline file (``[score]``, ``[gate]``, ``[lock]``), tables and models.
        run: Run record for input, counts, models and the gate's report; ``run.append`` writes it into ``runs``.
        options: Options that override the pipeline file: input, output, model, day and others.
        held: Stack that releases the locks when it is closed. Close it after the run has been recorded: if the run is
            killed before that, the next run records it. With None the locks are released on return.

    Raises:
        UsageError: Input or model is not given, or the backend does not exist or cannot score the model.
        InputError: The input, a model or a published table cannot be used.
        GateError: The gate refuses the run; its rows stay in staging.
        LockError: Another run works on one of the days.

    Example:
        >>> from textclf import RunRecord, ScoreOptions, score_table
        >>> run = RunRecord("score_table")
        >>> score_table(workspace, run, ScoreOptions(model="reviews"))
        >>> run.input_rows, run.scored_rows, run.rejected_rows, run.gate["verdict"]
        (20, 20, 0, 'passed')
        >>> run.end("succeeded")
        >>> run.append(workspace.spark, workspace.warehouse)
    """
    spark = workspace.spark
    with described(spark, "score", day=options.day):
        plan = plan_scoring(workspace, options)
        with described(spark, source=together(plan.routes.artifacts)):
            score_planned(workspace, run, options, plan, held)


# long: correctness depends on the order of these steps, which should be read in one place.
def score_planned(
    workspace: Workspace, run: RunRecord, options: ScoreOptions, plan: Plan, held: ExitStack | None = None
) -> None:
    """Score, audit and publish one plan; see ``score_table``."""
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    plan.note(run)
    day = options.day or (None if pipeline.score.date else run.started_at.date())
    run.details["day"] = day and day.isoformat()
    if options.limit is not None:
        run.details["limit"] = options.limit
    with ExitStack() as stack:
        taken = run_locked(spark, warehouse, plan.targets.accepted.place, run, pipeline.lock.lease)
        locks = (held or stack).enter_context(taken)
        locks.take([day or UNDATED])
        # Before files are stored: upkeep that begins later sees this run's locks, and leaves files alone.
        plan.targets.await_upkeep(locks)
        reached("locked")
        record_killed(spark, warehouse, locks, plan.targets.accepted.place)
        # Earlier publications are read while the rows are scored.
        pool = stack.enter_context(ThreadPoolExecutor(1))
        records = pool.submit(carried(spark, publications), spark, warehouse, plan.output)
        pool.submit(carried(spark, plan.targets.look_ahead), spark)
        since = asked_since(pipeline, options)
        earlier = records.result() if since is not None or changed_only(pipeline, options) else []
        if since is not None:
            table, run.details["since"] = changed_since(spark, plan.table, pipeline.score, since, day, earlier)
            plan = replace(plan, table=table)
        ready = stopped_with(spark, warehouse, run.details.get("fingerprint"), run.details["day"], STAGED)
        if ready is not None:
            run.details |= {"published_run": ready, "reason": "that run was stopped after its rows were staged"}
        scoring = Pass(plan, pipeline, options, day, earlier, run.run_id)
        with explained(plan.table.place, pipeline.score, plan.most_sources):
            rows = staged(spark, warehouse, run.run_id, STAGED, scoring.write, keep=GateError, ready=ready)
            stored = stack.enter_context(rows)
        reached("staged")
        found = scoring.audit(stored)
        check_sources((each.slice.source for each in found), pipeline.score.source, plan.most_sources)
        note_kernels(run, plan.fallbacks.value)
        note_unreadable(run, plan.fallbacks.value, sum(each.rejected[REASONS[UNREADABLE]] for each in found))
        slices = [each.slice for each in found]
        locks.take(each.ds for each in slices)
        record_killed(spark, warehouse, locks, plan.targets.accepted.place)
        _count(found, run, scoring.read())
        repeated = repeated_ids(stored.rows) if pipeline.gate.unique_ids else None
        _pass_gate(found, repeated, records.result(), pipeline, plan, run, stored.place)
        locks.check()
        cancellation.check()
        reached("checked")
        note_copies(run, plan.targets.take_over(stored, slices, run.fence))


def _count(found: Sequence[Figures], run: RunRecord, read: Mapping[str, int]) -> None:
    """Note the counts of rows in the run record."""
    rejects: Counter[str] = Counter()
    for figures in found:
        rejects.update(figures.rejected)
    run.input_rows, run.rejected_rows = read["rows"], rejects.total()
    run.scored_rows = sum(figures.scored for figures in found)
    if rejects:
        run.details["rejects"] = dict(sorted(rejects.items()))
    if COPIED in read:
        run.details["copied_rows"] = read[COPIED]


def _pass_gate(
    found: Sequence[Figures],
    repeated: int | None,
    published: Sequence[Publication],
    pipeline: Pipeline,
    plan: Plan,
    run: RunRecord,
    stored: Location,
) -> None:
    """Judge the figures and note the gate's report in the run.

    Raises:
        GateError: A check of the gate failed.
    """
    report = judge(
        found,
        pipeline.gate,
        input_rows=run.input_rows or 0,
        repeated=repeated,
        published=baselines(found, published, pipeline.gate.history),
        tested=tested_baselines(plan.routes, {each.slice.source for each in found}),
        lost=lost_models(found, published),
    )
    slices = [each.to_json() for each in found]
    run.gate = report.to_json() | {"output": plan.identity, "slices": slices}
    if report.failed:
        raise refusal(report, run.run_id, str(stored))
