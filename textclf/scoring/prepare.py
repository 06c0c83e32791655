"""Prepare the rows of a pass: the input's rows with a reason to reject them, if any, and the key of their model."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from textclf.config import Pipeline
from textclf.runs.history import Publication
from textclf.scoring.dataframe import add_scores
from textclf.scoring.input.day_values import lit_day
from textclf.scoring.input.source_names import bad_source, source_of
from textclf.scoring.pass_errors import rejected_text
from textclf.scoring.plan import Plan, ScoreOptions, asked_columns, changed_only
from textclf.scoring.reuse import known_scores, merged, published_days, with_copies, with_digests
from textclf.storage.schemas import CHALLENGED, DIGEST, SCORED


def input_rows(plan: Plan, pipeline: Pipeline, day: date | None, options: ScoreOptions) -> DataFrame:
    """Return the rows with columns id, source, ds, rejected (reason to reject the row), text and key of the model.

    Args:
        plan: The plan of the pass.
        pipeline: The pipeline file.
        day: Day of all rows; with a date column, the day whose rows are scored, None for all.
        options: Options of the command line.
    """
    score, table, routes = pipeline.score, plan.table, plan.routes
    ids = table.column(score.id, "id")
    ds = table.day(score.date) if score.date else F.lit(None) if day is None else lit_day(day)
    given = table.column(score.source, "source") if score.source else None
    source = F.lit(routes.key) if given is None else source_of(given)
    key = source if routes.key is None else F.lit(routes.key)
    text = table.text(score.text).cast("string")  # removes a collation
    rejected = F.when(ids.isNull(), "null_id").when(ds.isNull(), "bad_date")
    if given is not None:
        rejected = rejected.when(bad_source(given), "bad_source")
    rejected = rejected.otherwise(rejected_text(text, score))
    # Without its text, a rejected row costs no scoring in Python.
    text = F.when(rejected.isNull(), text)
    rows = table.rows.where(table.unchecked_day(score.date) == lit_day(day)) if score.date and day else table.rows
    if options.limit is not None:
        # A limit leaves one partition, which a single core would score.
        rows = rows.limit(options.limit).repartition(rows.sparkSession.sparkContext.defaultParallelism)
    if plan.targets.id_type != table.type_of(score.id):
        ids = ids.cast(plan.targets.id_type)
    named = {"id": ids, "source": source, "ds": ds, "rejected": rejected, "text": text, "key": key}
    return rows.select(*(column.alias(name) for name, column in named.items()))


def scored_rows(
    plan: Plan, pipeline: Pipeline, options: ScoreOptions, day: date | None, earlier: Sequence[Publication]
) -> tuple[DataFrame, Observation]:
    """Score the rows; ids never leave the JVM.

    Args:
        plan: The plan of the pass.
        pipeline: The pipeline file.
        options: Options of the command line.
        day: Day of the pass, as in ``input_rows``.
        earlier: Publications whose scores may be copied, newest first.

    Returns:
        The rows with columns id, source, ds, reason and those of the results, and the observation that counts them.
    """
    rows, read = input_rows(plan, pipeline, day, options), Observation()
    artifacts, copying = plan.routes.artifacts, changed_only(pipeline, options)
    asked = asked_columns(pipeline, options)
    if plan.digests:
        rows = with_digests(rows, artifacts, plan.choices, **asked)
    if copying:
        days = published_days(earlier, day, pipeline.score.copy_days)
        rows = with_copies(rows, known_scores(rows.sparkSession, plan.targets.accepted.place, days), read)
    else:
        rows = rows.observe(read, F.count(F.lit(1)).alias("rows"))
    counted = "key" if plan.routes.key is None else "source" if pipeline.score.source else None
    # A row with copied scores has a null key, so that no model scores it.
    scored = add_scores(
        rows,
        artifacts,
        plan.choices,
        key="key" if copying or plan.routes.key is None else None,
        **asked,
        challenge=plan.challenge,
        fallbacks=plan.fallbacks,
        limit=None if counted is None else (counted, plan.most_sources),
    )
    kept = ["id", "source", "ds", *([DIGEST.name] if plan.digests else [])]
    names = [*SCORED.fieldNames(), *(CHALLENGED.fieldNames() if plan.challenge.artifacts else []), "reason"]
    columns = merged() if copying else {name: F.col(name) for name in names}
    columns["reason"] = F.coalesce("rejected", columns["reason"])
    return scored.select(*kept, *(column.alias(name) for name, column in columns.items())), read
