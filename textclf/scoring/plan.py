"""The plan of a scoring pass: its input, models and output tables, determined before anything is scored."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

from pyspark import Accumulator
from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from textclf.artifact import Artifact, ModelStore
from textclf.common.logs import say
from textclf.config import Pipeline
from textclf.errors import InputError, UsageError
from textclf.inference.backends import BackendChoice, Challenge, choose
from textclf.models import KerasArchitecture
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.challengers import asked_challengers, with_challengers
from textclf.scoring.input.change_feed import Since
from textclf.scoring.input.id_types import check_ids, stored_type
from textclf.scoring.input.source_names import most_sources
from textclf.scoring.input.table import InputTable, open_input
from textclf.scoring.routing import Routes, plan_routes
from textclf.scoring.worker.kernel_report import Fallbacks, listen
from textclf.spark.environments import check_tensorflow
from textclf.spark.gpu import await_executors, check_gpus, has_gpus
from textclf.storage import Location, Warehouse
from textclf.storage.append_only import check_replaceable
from textclf.storage.delta_log import identity
from textclf.storage.publish import Target, Targets
from textclf.storage.schema_changes import check_columns, has_digests, id_type, published_columns
from textclf.storage.schemas import (
    CORPUS,
    CORPUS_REFUSED,
    CORPUS_REJECTS,
    DIGEST,
    RUNS,
    TOKENS,
    TRIALS,
    VOCABULARY,
    results,
    results_rejects,
)
from textclf.storage.warehouse import absolute

_OTHERS = (
    "results_rejects",
    *(spec.name for spec in (CORPUS, CORPUS_REJECTS, CORPUS_REFUSED, VOCABULARY, TOKENS, TRIALS, RUNS)),
)
"""Tables of the warehouse that are not for results."""


@dataclass(frozen=True)
class ScoreOptions:
    """Options of the command line that override ``[score]`` of the pipeline file; None and False keep its settings.

    Args:
        input: Path, URL or catalog name of the Parquet or Delta table to score.
        output: Path or URL of the Delta table for the results; by default ``results`` of the warehouse.
        model: ``NAME``, ``NAME@VERSION`` or a ``models:/`` URI, for all rows; by default the champion of each source.
        day: The day of the rows; with a date column, the day whose rows are scored.
        backend: ``auto``, ``compiled`` or ``keras``.
        limit: Number of rows to score, chosen arbitrarily; None for all.
        all_scores: Write the score of every label.
        evidence: Write the n-gram that moved each decision most.
        challengers: Models that score beside the champions, each ``REFERENCE`` or ``SOURCE=REFERENCE``.
        changed_only: Copy the scores of texts that were scored the same way before.
        since: Score only what changed after this version of the input; ``last`` is the version that the newest run
            has read.

    Example:
        >>> from textclf import ScoreOptions
        >>> ScoreOptions(input="reviews.parquet", limit=100).limit
        100
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
    """Input, models and output tables of a pass; the same for each day of a range.

    Attributes:
        table: The input.
        routes: The models, and which rows each scores.
        choices: Backend of each champion, by key.
        challenge: The challengers with their backends.
        targets: The tables of results and of rejects.
        fallbacks: Accumulator for the reports of workers.
        most_sources: Maximum number of sources of the run.
        identity: The table of results, in a form that is the same for all spellings of its location.
    """

    table: InputTable
    routes: Routes
    choices: dict[str, BackendChoice]
    challenge: Challenge
    targets: Targets
    fallbacks: Accumulator[Fallbacks]
    most_sources: int
    identity: str

    @property
    def output(self) -> str:
        """Location of the table of results, as it was given."""
        return str(self.targets.accepted.place)

    @property
    def digests(self) -> bool:
        """Whether the results have a column with digests of texts."""
        return DIGEST.name in self.targets.accepted.spec.columns

    def note(self, run: RunRecord) -> None:
        """Note input, models, backends and tables in the run record."""
        run.input, run.input_version = str(self.table.place), self.table.version
        if self.table.skipped:
            run.details["skipped"] = asdict(self.table.skipped)
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
        for target in (self.targets.accepted, self.targets.rejected):
            run.tables[target.spec.name] = str(target.place)


def plan_scoring(workspace: Workspace, options: ScoreOptions) -> Plan:
    """Find the input, the models and the tables to write; raises the errors of ``score_table``."""
    spark, warehouse, pipeline = workspace.spark, workspace.warehouse, workspace.pipeline
    table = _input(spark, pipeline, options)
    store = ModelStore(workspace.models)
    asked = asked_challengers(options.challengers, pipeline.score, options.model)
    routes = with_challengers(store, plan_routes(store, pipeline, options.model), asked)
    settings = dict(spark.sparkContext.getConf().getAll())  # read once: each setting is a call of the JVM
    choices, challenging = (
        _choices(spark, settings, artifacts, pipeline, options) for artifacts in (routes.artifacts, routes.challengers)
    )
    challenge = Challenge(routes.challengers, challenging)
    table.column(pipeline.score.id, "id")
    given = table.type_of(pipeline.score.id)
    check_ids(given, pipeline.score.id, _comparing_ids(pipeline, options))
    challenged = bool(routes.challengers)
    if challenged and changed_only(pipeline, options):
        raise UsageError(
            "A challenger and changed_only exclude each other: a challenger must score every row.",
            received="changed_only and a challenger",
            expected="one of the two",
            fix="score without changed_only on the days on which a challenger is compared",
        )
    output = _output(warehouse, options.output)
    named = _identity(spark, warehouse, output, table.place)
    there = published_columns(spark, output)
    # A table with digests keeps getting them, so that a later run can use changed_only.
    digests = changed_only(pipeline, options) or has_digests(there)
    ids = id_type(there, stored_type(table.id_type(spark, pipeline.score, there)))
    targets = targets_of(warehouse, ids, options.output, challenged=challenged, digests=digests)
    table.check_sources(spark, pipeline.score, [target.place for target in (targets.accepted, targets.rejected)])
    empty = [name for name, asked in asked_columns(pipeline, options).items() if name == "evidence" and not asked]
    check_columns(output, there, targets.accepted.spec, empty)
    rejects = targets.rejected
    check_columns(rejects.place, published_columns(spark, rejects.place), rejects.spec)
    check_replaceable(spark, output, rejects.place)
    most = most_sources(pipeline.score, len(routes.artifacts))
    return Plan(table, routes, choices, challenge, targets, listen(spark.sparkContext), most, named)


def changed_only(pipeline: Pipeline, options: ScoreOptions) -> bool:
    """Whether to copy the scores of texts that were scored the same way before."""
    return options.changed_only or pipeline.score.changed_only


def asked_columns(pipeline: Pipeline, options: ScoreOptions) -> dict[str, bool]:
    """Return which columns are requested beyond label and score, as arguments of ``add_scores``."""
    score = pipeline.score
    return {
        "all_scores": options.all_scores or score.all_scores,
        "evidence": options.evidence or score.evidence,
    }


def asked_since(pipeline: Pipeline, options: ScoreOptions) -> Since | None:
    """Return the version of the input after which changes are scored; None for all rows."""
    return pipeline.score.since if options.since is None else options.since


def _comparing_ids(pipeline: Pipeline, options: ScoreOptions) -> str | None:
    """Return the setting that needs ids to be comparable, in words for a message; None if there is none."""
    if pipeline.gate.unique_ids:
        return "unique_ids under [gate]"
    if asked_since(pipeline, options) is not None and pipeline.score.date is None:
        return "since, which finds rows without a day by their ids"
    return None


def _input(spark: SparkSession, pipeline: Pipeline, options: ScoreOptions) -> InputTable:
    given = options.input or pipeline.score.input
    if given is None:
        raise UsageError(
            "No table is given to score.",
            expected="path or URL of a Parquet or Delta table, or the name of a table in the catalog",
            fix="give --input, or set input under [score] in the pipeline file",
        )
    table = open_input(spark, given, pipeline.score)
    if table.skipped:
        say(f"{given}: {table.skipped}", "warning")
    return table


def targets_of(warehouse: Warehouse, ids: DataType, output: str | None, *, challenged: bool, digests: bool) -> Targets:
    """Return the tables for results and rejects.

    Args:
        warehouse: The warehouse.
        ids: Type of the ids.
        output: Path or URL of the table of results; None for that of the warehouse.
        challenged: Whether the results have the columns of a challenger.
        digests: Whether the results have a column with digests of texts.
    """
    accepted = Target(_output(warehouse, output), results(ids, challenged=challenged, digests=digests))
    return Targets(accepted, Target(warehouse.location("results_rejects"), results_rejects(ids)))


def _output(warehouse: Warehouse, output: str | None) -> Location:
    return Location(path=absolute(output)) if output else warehouse.location("results")


def _identity(spark: SparkSession, warehouse: Warehouse, output: Location, source: Location) -> str:
    """Return the identity of the table of results.

    Raises:
        InputError: It is the input, or another table of the warehouse.
    """
    found = identity(spark, str(output))
    if found == identity(spark, str(source)):
        raise InputError(
            "The results would replace the input.",
            received=f"results to {output}, input from {source}",
            expected="a table other than the input",
        )
    own = output == warehouse.location("results")  # most runs: nothing to compare
    if not own and found in {identity(spark, str(warehouse.location(name))) for name in _OTHERS}:
        raise InputError(
            "The results would replace another table of the warehouse.",
            received=f"--output {output}",
            expected="a table of its own for results",
        )
    return found


def _choices(
    spark: SparkSession,
    settings: Mapping[str, str],
    artifacts: Mapping[str, Artifact],
    pipeline: Pipeline,
    options: ScoreOptions,
) -> dict[str, BackendChoice]:
    """Choose a backend for each model, by Spark's settings, the pipeline file and the command line."""
    score = pipeline.score
    name, limit = options.backend or score.backend, score.max_table_mb << 20
    gpu = score.gpu == "always" or (score.gpu == "auto" and has_gpus(settings))
    choices = {
        key: choose(artifact, name, max_table_bytes=limit, half=score.half, gpu=gpu)
        for key, artifact in artifacts.items()
    }
    for key, choice in choices.items():
        if choice.name == "keras" and isinstance(artifacts[key].architecture, KerasArchitecture):
            check_tensorflow(settings, f"{artifacts[key].reference} with Keras: {choice.why}")
    if any(choice.gpu for choice in choices.values()):
        check_gpus(settings)
        await_executors(spark)
    return choices
