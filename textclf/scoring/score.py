"""The scoring pass: one read of the input, one evaluation of the models, then whole slices replaced."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date

from pyspark import Accumulator
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from textclf import stopping
from textclf.artifact import Artifact, ModelStore
from textclf.config import Pipeline
from textclf.described import carried, described, together
from textclf.errors import GateError, InputError, UsageError
from textclf.scoring.backends import Challenge, Choice, choose
from textclf.scoring.challengers import asked_challengers, with_challengers
from textclf.scoring.changed import COPIED, known_scores, merged, published_days, with_copies, with_digests
from textclf.scoring.fallback import Fallbacks, listen, note_kernels
from textclf.scoring.faults import explained, refused_text
from textclf.scoring.frame import add_scores
from textclf.scoring.inputs import InputTable, open_input
from textclf.scoring.routes import Routes, plan_routes
from textclf.scoring.since import Since, changed_since
from textclf.scoring.tested import tested_baselines
from textclf.session.gpu import await_executors, check_gpus, has_gpus
from textclf.tables import Location, RunRecord, Warehouse, staged
from textclf.tables.audit import Figures, audit, repeated_ids
from textclf.tables.columns import check_columns, has_digests, id_type, published_columns
from textclf.tables.gate import judge, refusal
from textclf.tables.handover import StagedTable
from textclf.tables.history import Publication, baselines, publications, record_killed, stopped_with
from textclf.tables.lock import UNDATED, locked
from textclf.tables.publish import Target, Targets
from textclf.tables.schemas import CHALLENGED, DIGEST, SCORED, layout, results, results_rejects
from textclf.tables.warehouse import absolute

STAGED = "scored"
"""Name of a run's staged rows."""


@dataclass(frozen=True)
class ScoreOptions:
    """What a command line asks for beyond the pipeline file; None and False leave the file's choice.

    Attributes:
        input: Path, URL or catalog name of the table to score.
        output: Path or URL of the Delta table that gets the results.
        model: ``NAME``, ``NAME@VERSION`` or a ``models:/`` URI, for all rows.
        day: The day of the rows; with a date column, the day whose rows are scored.
        backend: ``auto`` or a name of ``BACKENDS``.
        limit: Score that many rows of the input, any of them.
        all_scores: Write the score of every label.
        evidence: Write the n-gram that moved each decision most.
        challengers: Models that score beside the champions, each ``REFERENCE`` or ``SOURCE=REFERENCE``.
        changed_only: Copy the scores of texts that were scored the same way before.
        since: Score only what changed after this version of the input.
    """

    input: str | None = None
    output: str | None = None
    model: str | None = None
    day: date | None = None
    backend: str | None = None
    limit: int | None = None
    all_scores: bool = False
    evidence: bool = False
    challengers: tuple[str, ...] = ()
    changed_only: bool = False
    since: Since | None = None


@dataclass(frozen=True)
class Plan:
    """What a pass reads, scores with and writes to: the same for each day of a range."""

    table: InputTable
    routes: Routes
    choices: dict[str, Choice]
    challenge: Challenge
    targets: Targets
    fallbacks: Accumulator[Fallbacks]

    @property
    def output(self) -> str:
        """The table of results, as locks and records call it."""
        return str(self.targets.accepted.place)

    @property
    def digests(self) -> bool:
        """Whether the results have digests of texts."""
        return DIGEST.name in self.targets.accepted.spec.columns

    def note(self, run: RunRecord) -> None:
        """Note in a run what made its rows."""
        run.input, run.input_version = str(self.table.place), self.table.version
        run.models = self.routes.digests
        run.details["corpora"] = {each.reference: each.manifest.corpus_digest for each in self.routes.used}
        choices = {
            group.artifacts[key].reference: choice
            for group in (Challenge(self.routes.artifacts, self.choices), self.challenge)
            for key, choice in group.choices.items()
        }
        run.details["backends"] = {name: f"{choice.name}: {choice.why}" for name, choice in choices.items()}
        if halved := {name: choice.half_error for name, choice in choices.items() if choice.half}:
            run.details["half_precision_errors"] = halved
        if challengers := self.challenge.artifacts:
            run.details["challengers"] = {key: each.reference for key, each in challengers.items()}
        if self.routes.registered:
            run.details["registered_model"] = dict(self.routes.registered)
        for target in (self.targets.accepted, self.targets.refused):
            run.tables[target.spec.name] = str(target.place)


def score_table(
    spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline, run: RunRecord, options: ScoreOptions
) -> None:
    """Score a table into ``results`` and ``results_rejects``, and note in ``run`` what was read and written.

    Each row of the input ends in one of the two. The slices (ds, source) that the input has rows of are
    replaced, all others stay. Nothing is published before every row is computed, counted and audited.

    Raises:
        UsageError: No input, model or backend is named, or one that does not exist or cannot score the model.
        InputError: The input, a model or a published table cannot be used.
        GateError: The audit refuses; the rows stay in staging.
        LockError: Another run works on one of the days.
    """
    with described(spark, "score", day=options.day):
        plan = plan_scoring(spark, warehouse, pipeline, options)
        with described(spark, source=together(plan.routes.artifacts)):
            score_planned(spark, warehouse, pipeline, run, options, plan)


def plan_scoring(spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline, options: ScoreOptions) -> Plan:
    """Find the input, the models and the tables to write; raises as ``score_table``."""
    table = _input(spark, pipeline, options)
    store = ModelStore(warehouse.models)
    asked = asked_challengers(options.challengers, pipeline.score, options.model)
    routes = with_challengers(store, plan_routes(store, pipeline, options.model), asked)
    choices = _choices(spark, routes.artifacts, pipeline, options)
    challenge = Challenge(routes.challengers, _choices(spark, routes.challengers, pipeline, options))
    table.column(pipeline.score.id, "id")
    challenged = bool(routes.challengers)
    if challenged and _changed_only(pipeline, options):
        raise UsageError(
            "A challenger scores every row, and changed_only copies the scores of most.",
            received="changed_only and a challenger",
            expected="one of the two",
            fix="score without changed_only on the days that a challenger is compared on",
        )
    output = _output(warehouse, options.output)
    if output == table.place:
        raise InputError(
            "The results would replace the input.",
            received=f"--output {options.output}",
            expected="another table than the input",
        )
    there = published_columns(spark, output)
    # A table that has digests keeps getting them, so that a later run can ask for them.
    digests = _changed_only(pipeline, options) or has_digests(there)
    ids = id_type(there, table.type_of(pipeline.score.id))
    targets = targets_of(warehouse, ids, options.output, challenged=challenged, digests=digests)
    check_columns(output, there, targets.accepted.spec)
    refused = targets.refused
    check_columns(refused.place, published_columns(spark, refused.place), refused.spec)
    return Plan(table, routes, choices, challenge, targets, listen(spark.sparkContext))


def score_planned(
    spark: SparkSession,
    warehouse: Warehouse,
    pipeline: Pipeline,
    run: RunRecord,
    options: ScoreOptions,
    plan: Plan,
) -> None:
    """Score, audit and publish one plan; see ``score_table``."""
    plan.note(run)
    day = options.day or (None if pipeline.score.date else run.started_at.date())
    run.details["day"] = day and day.isoformat()
    if options.limit is not None:
        run.details["limit"] = options.limit
    with ExitStack() as stack:
        lease = pipeline.lock.lease
        locks = stack.enter_context(locked(spark, warehouse.locks(spark), plan.output, run.run_id, run.job, lease))
        locks.take([day or UNDATED])
        record_killed(spark, warehouse, locks, plan.targets.accepted.place)
        # What was published before is read while the rows are scored.
        pool = stack.enter_context(ThreadPoolExecutor(1))
        records = pool.submit(carried(spark, publications), spark, warehouse, plan.output)
        pool.submit(carried(spark, plan.targets.look_ahead), spark)
        since = _since(pipeline, options)
        earlier = records.result() if since is not None or _changed_only(pipeline, options) else []
        if since is not None:
            table, run.details["since"] = changed_since(spark, plan.table, pipeline.score, since, day, earlier)
            plan = replace(plan, table=table)
        ready = stopped_with(spark, warehouse, run.details.get("fingerprint"), STAGED)
        if ready is not None:
            run.details |= {"published_run": ready, "reason": "that run was stopped when its rows were staged"}
        scored, read = _scored(plan, pipeline, options, day, earlier)
        scored = scored.withColumn("run_id", F.lit(run.run_id))
        shape = layout(plan.targets.id_type)
        with explained(plan.table.place):
            rows = staged(warehouse, run.run_id, STAGED, scored, keep=GateError, ready=ready, **shape)
            stored = StagedTable.at(spark, stack.enter_context(rows))
        found = audit(stored.rows)
        note_kernels(run, plan.fallbacks.value)
        slices = [each.slice for each in found]
        locks.take(each.ds for each in slices)
        record_killed(spark, warehouse, locks, plan.targets.accepted.place)
        counted = read.get if ready is None else {"rows": _input_rows(plan, pipeline, day, options).count()}
        _count(found, run, counted)
        repeated = repeated_ids(stored.rows) if pipeline.gate.unique_ids else None
        _pass_gate(found, repeated, records.result(), pipeline, plan, run, stored.place)
        locks.check()
        stopping.check()
        # Rows keep the run that scored them.
        plan.targets.take_over(stored, ready or run.run_id, slices, pipeline.upkeep.small_file_mb)


def _input(spark: SparkSession, pipeline: Pipeline, options: ScoreOptions) -> InputTable:
    given = options.input or pipeline.score.input
    if given is None:
        raise UsageError(
            "Nothing says which table to score.",
            expected="path or URL of a Parquet or Delta table, or the name of a table in the catalog",
            fix="give --input, or set input under [score] in the pipeline file",
        )
    return open_input(spark, given)


def targets_of(warehouse: Warehouse, ids: DataType, output: str | None, *, challenged: bool, digests: bool) -> Targets:
    """The tables for results and rejects, with ids of that type.

    Args:
        challenged, digests: As of ``results``.
    """
    accepted = Target(_output(warehouse, output), results(ids, challenged=challenged, digests=digests))
    return Targets(accepted, Target(warehouse.location("results_rejects"), results_rejects(ids)))


def _output(warehouse: Warehouse, output: str | None) -> Location:
    return Location(path=absolute(output)) if output else warehouse.location("results")


def _changed_only(pipeline: Pipeline, options: ScoreOptions) -> bool:
    return options.changed_only or pipeline.score.changed_only


def _since(pipeline: Pipeline, options: ScoreOptions) -> Since | None:
    return pipeline.score.since if options.since is None else options.since


def _input_rows(plan: Plan, pipeline: Pipeline, day: date | None, options: ScoreOptions) -> DataFrame:
    """Columns id, source, ds, refused (a reason why the row cannot be scored), text and key of the model.

    Args:
        day: The day of all rows; with a date column, the day whose rows are scored, None for all.
    """
    score, table, routes = pipeline.score, plan.table, plan.routes
    ids = table.column(score.id, "id")
    ds = table.day(score.date) if score.date else F.lit(day)
    source = _source(table, score.source, routes)
    key = source if routes.key is None else F.lit(routes.key)
    text = table.text(score.text)
    refused = F.when(ids.isNull(), "null_id").when(ds.isNull(), "bad_date").otherwise(refused_text(text, score))
    # Python sees no text of a row that is refused already; such a row costs no score.
    text = F.when(refused.isNull(), text)
    rows = table.rows.where(ds == F.lit(day)) if score.date and day else table.rows
    if options.limit is not None:
        # A limit leaves one partition, which one core alone would score.
        rows = rows.limit(options.limit).repartition(rows.sparkSession.sparkContext.defaultParallelism)
    ids = ids.cast(plan.targets.id_type)
    named = {"id": ids, "source": source, "ds": ds, "refused": refused, "text": text, "key": key}
    return rows.select(*(column.alias(name) for name, column in named.items()))


def _source(table: InputTable, name: str | None, routes: Routes) -> Column:
    if name is None:
        return F.lit(routes.key)
    # As a partition value an empty text is stored as null; a rerun must find the slice under the same value.
    return F.nullif(F.try_validate_utf8(table.column(name, "source").cast("string")), F.lit(""))


def _choices(
    spark: SparkSession, artifacts: Mapping[str, Artifact], pipeline: Pipeline, options: ScoreOptions
) -> dict[str, Choice]:
    """A backend for each model."""
    score = pipeline.score
    name, limit = options.backend or score.backend, score.max_table_mb << 20
    settings = dict(spark.sparkContext.getConf().getAll())
    gpu = score.gpu == "always" or (score.gpu == "auto" and has_gpus(settings))
    choices = {
        key: choose(artifact, name, max_table_bytes=limit, half=score.half, gpu=gpu)
        for key, artifact in artifacts.items()
    }
    if any(choice.gpu for choice in choices.values()):
        check_gpus(settings)
        await_executors(spark)
    return choices


def _scored(
    plan: Plan, pipeline: Pipeline, options: ScoreOptions, day: date | None, earlier: Sequence[Publication]
) -> tuple[DataFrame, Observation]:
    """Columns id, source, ds, reason and those of ``SCORED``, and what counts the rows; ids never leave the JVM.

    Args:
        earlier: Publications whose scores may be copied, the newest first.
    """
    rows, read = _input_rows(plan, pipeline, day, options), Observation()
    artifacts, copying = plan.routes.artifacts, _changed_only(pipeline, options)
    all_scores = options.all_scores or pipeline.score.all_scores
    evidence = options.evidence or pipeline.score.evidence
    if plan.digests:
        rows = with_digests(rows, artifacts, plan.choices, all_scores=all_scores, evidence=evidence)
    if copying:
        days = published_days(earlier, day, pipeline.score.copy_days)
        rows = with_copies(rows, known_scores(rows.sparkSession, plan.targets.accepted.place, days), read)
    else:
        rows = rows.observe(read, F.count(F.lit(1)).alias("rows"))
    # What is copied has no key, which no model looks at.
    scored = add_scores(
        rows,
        artifacts,
        plan.choices,
        key="key" if copying or plan.routes.key is None else None,
        all_scores=all_scores,
        evidence=evidence,
        challenge=plan.challenge,
        fallbacks=plan.fallbacks,
    )
    kept = ["id", "source", "ds", *([DIGEST.name] if plan.digests else [])]
    names = [*SCORED.fieldNames(), *(CHALLENGED.fieldNames() if plan.challenge.artifacts else []), "reason"]
    columns = merged() if copying else {name: F.col(name) for name in names}
    columns["reason"] = F.coalesce("refused", columns["reason"])
    return scored.select(*kept, *(column.alias(name) for name, column in columns.items())), read


def _count(found: Sequence[Figures], run: RunRecord, read: Mapping[str, int]) -> None:
    """Note the counts of a run."""
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
    """Judge the figures and note them in the run.

    Raises:
        GateError: A check failed.
    """
    report = judge(
        found,
        pipeline.gate,
        input_rows=run.input_rows or 0,
        repeated=repeated,
        published=baselines(found, published, pipeline.gate.history),
        tested=tested_baselines(plan.routes, {each.slice.source for each in found}),
    )
    slices = [each.to_json() for each in found]
    run.gate = report.to_json() | {"output": plan.output, "slices": slices}
    if report.failed:
        raise refusal(report, run.run_id, str(stored))
