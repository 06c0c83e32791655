"""Load the data of a run's report from the tables; counts and histograms come to the driver, rows do not."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from textclf.artifact import Manifest, ModelStore
from textclf.common.secrets import opened
from textclf.errors import InputError
from textclf.report.run.agreement import Duel, duels
from textclf.report.run.counted_here import counted_here
from textclf.report.run.distributions import Distribution, distributions
from textclf.runs.deliveries import refused_before
from textclf.runs.masked_fields import masked_record
from textclf.runs.runs_table import last_rows, parsed, runs_table
from textclf.runs.workspace import Workspace, takes_workspace
from textclf.scoring.input.table import open_input
from textclf.storage import Location
from textclf.storage.warehouse import absolute

_EARLIER = 8  # number of earlier runs of the same job in the report


@dataclass(frozen=True)
class UsedModel:
    """A model that the run used.

    Attributes:
        reference: Model as ``NAME@VERSION``.
        digest: SHA-256 of the model, in hexadecimal.
        manifest: Manifest of the version; None if the version is missing from the store or damaged.
        champion: Version that is in use now.
        champion_manifest: Manifest of the champion; None if the champion is this version.
    """

    reference: str
    digest: str
    manifest: Manifest | None
    champion: str | None
    champion_manifest: Manifest | None


@dataclass(frozen=True)
class Example:
    """A text that its model was among the least sure about."""

    id: str
    source: str
    label: str
    score: float
    text: str


@dataclass(frozen=True)
class RunData:
    """The data of a run's report.

    Attributes:
        run: Row of the run in ``runs``, with times as text in UTC, ``seconds`` added, and ``gate`` and ``details``
            parsed. ``rows_of`` is the run that scored its rows; it differs if this run published what another one had
            staged.
        earlier: Earlier runs of the same job, newest first.
        published: Number of the run's rows that are in the table now.
        now: What the run scored, by source: from the table if all rows are still there, otherwise from the record.
        before: The week that ends with the last slice published before the run's first day, by source.
        duels: Champions and the challengers that scored beside them.
        rejects: Source, reason and number of rejected rows.
        models: Models that the run used.
        examples: Texts that models were least sure about; None if the pipeline file does not allow texts.
        refused: Run and reason, by source, for sources whose newest delivery was refused when the run began; their
            records in the corpus are from an older delivery.
    """

    run: dict[str, Any]
    earlier: list[dict[str, Any]]
    published: int
    now: dict[str, Distribution]
    before: dict[str, Distribution]
    duels: list[Duel]
    rejects: list[tuple[str, str, int]]
    models: list[UsedModel]
    examples: list[Example] | None
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)


@takes_workspace
def load_run(workspace: Workspace, run_id: str | None = None, day: date | None = None) -> RunData:
    """Load the data of a run's report from ``runs``, ``results`` and the models.

    Args:
        workspace: Session, pipeline file (``[report]``), tables and models.
        run_id: Identifier of a run in ``runs``; None for the newest run of ``score_table``.
        day: Day whose newest run is loaded, whatever its outcome; only used without ``run_id``.

    Returns:
        Record of the run, its distributions of labels and scores, its models and its rejects.

    Raises:
        InputError: There is no such run.

    Example:
        >>> from textclf import load_run
        >>> data = load_run(workspace)
        >>> data.run["job"], data.run["status"], data.published, sorted(data.now["reviews"].labels)
        ('score_table', 'succeeded', 10, ['bad', 'good'])
    """
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    run, earlier = _runs(workspace, run_id, day)
    place = _published(workspace, run)
    published = None if place is None else place.read(spark)
    there, now, before = distributions(published, run, None if place is None else counted_here(spark, place))
    return RunData(
        masked_record(run),
        [masked_record(each) for each in earlier],
        there,
        now,
        before,
        [] if published is None else duels(published.where(F.col("run_id") == run["rows_of"])),
        _rejects(workspace, run),
        [_model(ModelStore(workspace.models), *pair) for pair in (run["models"] or {}).items()],
        _examples(workspace, published, run) if pipeline.report.texts else None,
        refused_before(spark, warehouse, run["run_id"], [source.name for source in pipeline.sources]),
    )


def _runs(workspace: Workspace, run_id: str | None, day: date | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    table = runs_table(workspace.spark, workspace.warehouse)
    if table is None:
        place = workspace.warehouse.location("runs")
        raise InputError("There are no runs yet.", expected=f"the table runs at {place}", fix="run a job first")
    condition = F.col("job") == "score_table" if run_id is None else F.col("run_id") == run_id
    if run_id is None and day is not None:
        condition &= F.get_json_object("details", "$.day") == day.isoformat()
    found = _last(table.where(condition), "started_at", 1)
    if not found:
        raise _no_run(run_id, day)
    run = parsed(found[0])
    run["rows_of"] = run["details"].get("published_run", run["run_id"])
    past = table.where((F.col("job") == run["job"]) & (F.col("run_id") < run["run_id"]))
    return run, _last(past, "run_id", _EARLIER)


def _last(runs: DataFrame, column: str, most: int) -> list[dict[str, Any]]:
    """Return the runs with the largest values of a column, the largest first."""
    found = last_rows(runs.select(*_readable(runs), F.col(column).alias("order")), "order", most)
    return [{name: value for name, value in row.asDict(recursive=True).items() if name != "order"} for row in found]


def _no_run(run_id: str | None, day: date | None) -> InputError:
    if run_id is None and day is not None:
        return InputError(
            "No run has scored this day.",
            received=f"--date {day}",
            expected="a run of score_table for that day in the table runs",
            fix=f"score it first: score_table --date {day}",
        )
    return InputError(
        "There is no such run.",
        received=f"--run {run_id}" if run_id else "no run of score_table",
        expected="a run_id of the table runs",
        fix="SELECT run_id, job, started_at, status FROM runs ORDER BY started_at DESC",
    )


def _readable(table: DataFrame) -> list[Column]:
    """Return the columns of ``runs`` with times as text, because Python would show them in the local time zone."""
    times = ("started_at", "ended_at")
    seconds = (F.unix_micros("ended_at") - F.unix_micros("started_at")) / 1e6
    shown = [
        F.date_format(name, "yyyy-MM-dd HH:mm:ss").alias(name) if name in times else F.col(name)
        for name in table.columns
    ]
    return [*shown, seconds.alias("seconds")]


def _published(workspace: Workspace, run: Mapping[str, Any]) -> Location | None:
    """Return the location of the table that the run published to; None if it does not exist."""
    spark, place = workspace.spark, workspace.warehouse.location("results")
    written = opened(run["details"].get("tables", {}).get("results", str(place)), [str(place)])
    if written != str(place):  # score_table --output
        place = Location(path=written)
    return place if place.exists(spark) else None


def _rejects(workspace: Workspace, run: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return the run's rejects, from its record if possible: refused or replaced rows are in no table."""
    found: Counter[tuple[str, str]] = Counter()
    for each in run["gate"].get("slices", []):
        found.update({(each["source"] or "", reason): count for reason, count in each["rejected"].items()})
    of_ingest = run["details"].get("sources", {}) | (run["details"].get("refused") or {})
    for source, figures in of_ingest.items():
        if isinstance(figures, dict):
            found.update({(source, reason): count for reason, count in figures.get("reasons", {}).items()})
    spark, place = workspace.spark, workspace.warehouse.location("results_rejects")
    if not found and run["rejected_rows"] and place.exists(spark):
        groups = place.read(spark).where(F.col("run_id") == run["rows_of"]).groupBy("source", "reason").count()
        found.update({(row["source"] or "", row["reason"]): row["count"] for row in groups.collect()})
    return sorted((source, reason, count) for (source, reason), count in found.items())


def _model(store: ModelStore, reference: str, digest: str) -> UsedModel:
    name, _, version = reference.partition("@")
    champion = store.champion(name)
    other = None if champion == version else champion
    return UsedModel(reference, digest, _manifest(store, name, version), champion, _manifest(store, name, other))


def _manifest(store: ModelStore, name: str, version: str | None) -> Manifest | None:
    """Return the manifest of a version; None if it is missing or damaged, because the page is not about the store."""
    try:
        return None if version is None else store.manifest(name, version)
    except InputError:
        return None


def _examples(workspace: Workspace, results: DataFrame | None, run: Mapping[str, Any]) -> list[Example]:
    """Return the rows with the lowest scores and their texts, from the version of the input that the run read."""
    spark, pipeline = workspace.spark, workspace.pipeline
    if results is None or run["input"] is None:
        return []
    lowest = results.where(F.col("run_id") == run["rows_of"]).orderBy("score").limit(pipeline.report.examples)
    rows = lowest.select("id", "source", "label", "score").collect()
    if not rows:
        return []
    score = pipeline.score
    asked = [] if score.input is None else [absolute(score.input), score.input]
    table = open_input(spark, opened(run["input"], asked), score)
    version = run["input_version"]
    read = table.rows if version is None else table.place.read_version(spark, version)
    wanted = spark.createDataFrame([(row["id"],) for row in rows], lowest.select("id").schema)
    # If an id occurs more than once, it is not known which of its texts got which score: one of them is shown.
    texts = read.select(table.column(score.id, "id").alias("id"), table.column(score.text, "text").alias("text"))
    found = texts.join(F.broadcast(wanted), "id").groupBy("id").agg(F.min("text").alias("text")).collect()
    by_id = {row["id"]: row["text"] for row in found}
    return [
        Example(str(row["id"]), row["source"] or "", row["label"], row["score"], by_id[row["id"]])
        for row in rows
        if by_id.get(row["id"]) is not None
    ]
