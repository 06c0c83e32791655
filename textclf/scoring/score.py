"""The scoring pass: one read of the input, one evaluation of the models, then whole slices replaced."""

from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from textclf.artifact import ModelStore
from textclf.config import Pipeline
from textclf.errors import InputError, TextclfError, UsageError
from textclf.scoring.backends import Choice, choose
from textclf.scoring.frame import add_scores
from textclf.scoring.inputs import InputTable, open_input
from textclf.scoring.routes import Routes, plan_routes
from textclf.session.gpu import await_executors, check_gpus, has_gpus
from textclf.tables import Location, RunRecord, Warehouse, staged
from textclf.tables.publish import Slice, check_columns, replace_slices
from textclf.tables.schemas import SCORED, TableSpec, results, results_rejects
from textclf.tables.warehouse import absolute


@dataclass(frozen=True)
class ScoreOptions:
    """What a command line asks for beyond the pipeline file; None and False leave the file's choice.

    Attributes:
        input: Path, URL or catalog name of the table to score.
        output: Path or URL of the Delta table that gets the results.
        model: ``NAME`` or ``NAME@VERSION``, for all rows.
        day: The day of the rows; with a date column, the day whose rows are scored.
        backend: ``auto`` or a name of ``BACKENDS``.
        limit: Score that many rows of the input, any of them.
        all_scores: Write the score of every label.
        evidence: Write the n-gram that moved each decision most.
    """

    input: str | None = None
    output: str | None = None
    model: str | None = None
    day: date | None = None
    backend: str | None = None
    limit: int | None = None
    all_scores: bool = False
    evidence: bool = False


@dataclass(frozen=True)
class Target:
    """A table to publish to."""

    place: Location
    spec: TableSpec


def score_table(
    spark: SparkSession, warehouse: Warehouse, pipeline: Pipeline, run: RunRecord, options: ScoreOptions
) -> None:
    """Score a table into ``results`` and ``results_rejects``, and note in ``run`` what was read and written.

    Each row of the input ends in one of the two. The slices (ds, source) that the input has rows of are
    replaced, all others stay. Nothing is published before every row is computed and counted.

    Raises:
        UsageError: No input, model or backend is named, or one that does not exist or cannot score the model.
        InputError: The input, a model or a published table cannot be used.
    """
    table = _input(spark, pipeline, options)
    routes = plan_routes(ModelStore(warehouse.models), pipeline.score, options.model)
    choices = _choices(spark, routes, pipeline, options, run)
    accepted, refused = _targets(warehouse, table, pipeline.score.id, options.output)
    for target in (accepted, refused):
        check_columns(spark, target.place, target.spec)
        run.tables[target.spec.name] = str(target.place)
    run.input, run.input_version, run.models = str(table.place), table.version, routes.digests
    read = Observation()
    rows = _input_rows(table, pipeline, routes, run, options).observe(read, F.count(F.lit(1)).alias("rows"))
    with staged(warehouse, run.run_id, "scored", _scored(rows, routes, choices, pipeline, options)) as stored:
        slices = _count(stored, run)
        run.input_rows = read.get["rows"]
        _check_counts(run)
        stamped = stored.withColumn("run_id", F.lit(run.run_id))
        replace_slices(refused.place, stamped.where("reason IS NOT NULL"), refused.spec, slices)
        replace_slices(accepted.place, stamped.where("reason IS NULL"), accepted.spec, slices)


def _input(spark: SparkSession, pipeline: Pipeline, options: ScoreOptions) -> InputTable:
    given = options.input or pipeline.score.input
    if given is None:
        raise UsageError(
            "Nothing says which table to score.",
            expected="path or URL of a Parquet or Delta table, or the name of a table in the catalog",
            fix="give --input, or set input under [score] in the pipeline file",
        )
    return open_input(spark, given)


def _targets(warehouse: Warehouse, table: InputTable, id_column: str, output: str | None) -> tuple[Target, Target]:
    table.column(id_column, "id")
    id_type = table.type_of(id_column)
    place = Location(path=absolute(output)) if output else warehouse.location("results")
    if place == table.place:
        raise InputError(
            "The results would replace the input.",
            received=f"--output {output}",
            expected="another table than the input",
        )
    return (
        Target(place, results(id_type)),
        Target(warehouse.location("results_rejects"), results_rejects(id_type)),
    )


def _input_rows(
    table: InputTable, pipeline: Pipeline, routes: Routes, run: RunRecord, options: ScoreOptions
) -> DataFrame:
    """Columns id, source, ds, refused (a reason why the row cannot be scored), text and key of the model."""
    score = pipeline.score
    ids = table.column(score.id, "id")
    ds = table.day(score.date) if score.date else F.lit(options.day or run.started_at.date())
    source = _source(table, score.source, routes)
    key = source if routes.key is None else F.lit(routes.key)
    refused = F.when(ids.isNull(), "null_id").when(ds.isNull(), "bad_date")
    # Python sees no text of a row that is refused already; such a row costs no score.
    text = F.when(refused.isNull(), table.text(score.text))
    rows = table.rows.where(ds == F.lit(options.day)) if score.date and options.day else table.rows
    if options.limit is not None:
        # A limit leaves one partition, which one core alone would score.
        rows = rows.limit(options.limit).repartition(rows.sparkSession.sparkContext.defaultParallelism)
    named = {"id": ids, "source": source, "ds": ds, "refused": refused, "text": text, "key": key}
    return rows.select(*(column.alias(name) for name, column in named.items()))


def _source(table: InputTable, name: str | None, routes: Routes) -> Column:
    if name is None:
        return F.lit(routes.key)
    # As a partition value an empty text is stored as null; a rerun must find the slice under the same value.
    return F.nullif(table.column(name, "source").cast("string"), F.lit(""))


def _choices(
    spark: SparkSession, routes: Routes, pipeline: Pipeline, options: ScoreOptions, run: RunRecord
) -> dict[str, Choice]:
    """A backend for each model, noted in the run with its reason."""
    score = pipeline.score
    name, limit = options.backend or score.backend, score.max_table_mb << 20
    settings = dict(spark.sparkContext.getConf().getAll())
    gpu = score.gpu == "always" or (score.gpu == "auto" and has_gpus(settings))
    choices = {
        key: choose(artifact, name, max_table_bytes=limit, half=score.half, gpu=gpu)
        for key, artifact in routes.artifacts.items()
    }
    if any(choice.gpu for choice in choices.values()):
        check_gpus(settings)
        await_executors(spark)
    run.details["backends"] = {
        routes.artifacts[key].reference: f"{choice.name}: {choice.why}" for key, choice in choices.items()
    }
    return choices


def _scored(
    rows: DataFrame, routes: Routes, choices: dict[str, Choice], pipeline: Pipeline, options: ScoreOptions
) -> DataFrame:
    """Columns id, source, ds, reason and those of ``SCORED``; the ids never leave the JVM."""
    scored = add_scores(
        rows,
        routes.artifacts,
        choices,
        key=None if routes.key is not None else "key",
        all_scores=options.all_scores or pipeline.score.all_scores,
        evidence=options.evidence or pipeline.score.evidence,
    )
    return scored.select("id", "source", "ds", F.coalesce("refused", "reason").alias("reason"), *SCORED.fieldNames())


def _count(stored: DataFrame, run: RunRecord) -> set[Slice]:
    """Note the counts of a run; give back the slices that it has rows of."""
    groups = stored.groupBy("ds", "source", "reason").agg(F.count("*").alias("rows")).collect()
    rejects: dict[str, int] = {}
    for group in groups:
        if group["reason"] is not None:
            rejects[group["reason"]] = rejects.get(group["reason"], 0) + group["rows"]
    run.rejected_rows = sum(rejects.values())
    run.scored_rows = sum(group["rows"] for group in groups) - run.rejected_rows
    if rejects:
        run.details["rejects"] = dict(sorted(rejects.items()))
    return {Slice(group["ds"], group["source"]) for group in groups}


def _check_counts(run: RunRecord) -> None:
    if run.input_rows != (run.scored_rows or 0) + (run.rejected_rows or 0):
        raise TextclfError(
            "The rows of the input are not all accounted for; nothing was published.",
            received=f"{run.scored_rows} scored and {run.rejected_rows} rejected rows",
            expected=f"{run.input_rows} rows in all",
            fix="run it again; if it stays, report it with this run's record",
        )
