"""The pipeline file as typed, validated sections."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from textclf.config.base import BatchSizes, Count, Epochs, Folds, Index, Name, PartitionTypes, Section, Share
from textclf.config.operations import Lineage, Logs, Metrics, Nightly
from textclf.config.received import received
from textclf.config.source import Source


class Ingest(Section):
    """When a delivery may replace the records that the corpus has of its source.

    A delivery is all files of a source as they are now. It is refused if more than the share ``max_rejects`` of its
    records is rejected, and always if no record is accepted. The run warns if the number of accepted records is below
    the share ``warn_below`` of the number accepted before.
    """

    max_rejects: Share = 0.5
    warn_below: Share = 0.5

    def limit(self, source: Source) -> float:
        """Return the largest share of rejected records for a source."""
        return self.max_rejects if source.max_rejects is None else source.max_rejects


class Text(Section):
    """How much of a text the models see: vocabulary size and length in tokens."""

    num_words: Annotated[int, Field(ge=2, le=1 << 31)] = 5000
    max_length: Annotated[int, Field(ge=1, le=1_000_000)] = 100


class Split(Section):
    """How labelled rows are split into training and test rows.

    ``permutation`` gives the same rows as scikit-learn's ``train_test_split``. ``hash`` decides each row by a digest
    of its position alone, so it needs no count of the rows and suits corpora of any size.
    """

    method: Literal["permutation", "hash"] = "permutation"
    test_size: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1000


Scalar = str | int | float | bool


class Distribution(Section):
    """A continuous range of a hyperparameter, uniform in its value or, with ``log``, in its logarithm."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> "Distribution":
        if not self.low < self.high:
            raise ValueError(f"low must be below high, received low = {self.low}, high = {self.high}")
        if not math.isfinite(self.high - self.low):
            raise ValueError(f"low and high must be finite numbers, received low = {self.low}, high = {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs low above 0, received low = {self.low}")
        return self


Space = dict[str, Annotated[list[Scalar], Field(min_length=1)] | Distribution]


def _is_storable(value: Scalar) -> bool:
    """Return whether JSON and tables can store this value of a hyperparameter."""
    return isinstance(value, str) or (abs(value) < 1 << 63 if isinstance(value, int) else math.isfinite(value))


class SearchPlan(Section):
    """What is searched and how; ``[search.sources.NAME]`` may override every key for a source.

    ``space`` applies to each architecture that has the key, ``spaces`` to the architecture that it names. Halving
    keeps 1 in ``reduction`` candidates at each step. ``nested`` is the number of outer folds of a nested
    cross-validation. Without ``beat_baseline`` a network becomes champion even if logistic regression is better.
    Several values of ``batch_size`` are used one after another, each for its part of the epochs.
    """

    strategy: Literal["grid", "random", "halving"] = "random"
    candidates: Annotated[int, Field(ge=1, le=100_000)] = 5
    folds: Folds = 4
    epochs: Epochs = 20
    batch_size: BatchSizes = 10
    architecture: Name = "cnn"
    architectures: Annotated[list[Name], Field(min_length=1)] | None = None
    space: Space = Field(default_factory=dict)
    spaces: dict[Name, Space] = Field(default_factory=dict)
    reduction: Annotated[int, Field(ge=2, le=100_000)] = 3
    nested: Folds | None = None
    one_standard_error: bool = False
    beat_baseline: bool = True

    @property
    def searched(self) -> list[str]:
        """Names of the architectures in the search."""
        return self.architectures or [self.architecture]

    @model_validator(mode="after")
    def _fits_together(self) -> "SearchPlan":
        if self.strategy == "grid":
            spaces = [self.space, *self.spaces.values()]
            ranges = sorted({key for space in spaces for key, values in space.items() if not isinstance(values, list)})
            if ranges:
                raise ValueError(f"strategy grid needs a list of values for: {', '.join(ranges)}")
        for key, values in (item for space in (self.space, *self.spaces.values()) for item in space.items()):
            if isinstance(values, list) and not all(map(_is_storable, values)):
                raise ValueError(f"expected finite numbers of at most 64 bits in the values of {key}")
        if unknown := sorted(set(self.spaces) - set(self.searched)):
            raise ValueError(f"spaces names architectures that are not searched: {', '.join(unknown)}")
        return self


class Search(SearchPlan):
    """The search for all sources; ``train_model`` takes its architecture, epochs and batch size from here too."""

    sources: dict[Name, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _overrides_are_plans(self) -> "Search":
        for source in self.sources:
            self.plan(source)
        return self

    def plan(self, source: str) -> SearchPlan:
        """Return the plan of a source: the keys of ``[search]``, overridden by ``[search.sources.NAME]``.

        Raises:
            ValueError: An override is invalid.
        """
        common = self.model_dump(exclude={"sources"})
        try:
            return SearchPlan.model_validate(common | self.sources.get(source, {}))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            said = first["msg"].removeprefix("Value error, ")
            if place:  # the message of a validator of the whole plan already contains what was received
                said = f"{place}: received {received(first['input'])}; {said}"
            raise ValueError(f"sources.{source}.{said}") from error


class Mlflow(Section):
    """Where searches are logged: ``tracking_uri``, else MLFLOW_TRACKING_URI, else SQLite beside the models."""

    tracking_uri: str | None = None
    experiment: Annotated[str, Field(min_length=1)] = "textclf"
    timeout: Annotated[int, Field(ge=1, le=86_400)] = 60


class Train(Section):
    """How networks of any architecture are fitted.

    ``validation_size`` is the share of the training rows held back for validation; test rows are not used before the
    end. ``patience`` epochs without a better validation loss end the fit, and the best weights are kept. ``logs`` is a
    folder for one table of epochs per fit.
    """

    keras_backend: Literal["tensorflow", "jax"] = "tensorflow"
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.001
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    validation_size: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    patience: Epochs | None = None
    class_weights: Literal["equal", "balanced"] = "equal"
    logs: str | None = None

    @model_validator(mode="after")
    def _patience_needs_validation(self) -> "Train":
        if self.patience is not None and self.validation_size == 0:
            raise ValueError("patience needs validation_size, the share of training rows held back for early stopping")
        return self


class Score(Section):
    """The table to score, its columns, and how it is scored.

    ``max_table_mb`` limits the tables of one compiled model; ``half`` stores those of convolutions in half precision.
    ``gpu`` says whether Keras scores on GPUs: ``auto`` where executors have GPUs, ``never``, or ``always``, and then
    nowhere else.
    ``challenger`` scores beside the champion: one model for all rows, ``newest`` for each source's newest version, or
    a model for each source by its name.
    Texts of more than ``max_text_bytes`` are rejected: a single one could use up the memory of a worker.
    A run with more than ``max_sources`` sources is refused. Each source has a folder for every day, and a column of
    user names given by mistake would make a source of each row. The default leaves room for every champion.
    ``changed_only`` copies the scores of texts that were scored in the same way in the ``copy_days`` newest published
    days. ``since`` is a version of the input, which must be a Delta table with a change data feed: only rows that
    changed after it are scored. ``last`` is the version that the previous run read.
    ``recursive`` and ``partition_types`` are for Parquet files and mean the same as in a source.
    """

    input: str | None = None
    id: str = "id"
    text: str = "text"
    source: str | None = None
    date: str | None = None
    model: str | None = None
    challenger: str | dict[str, str] | None = None
    backend: Literal["auto", "compiled", "keras"] = "auto"
    all_scores: bool = False
    evidence: bool = False
    max_table_mb: Annotated[int, Field(ge=1, le=1 << 20)] = 1024
    half: bool = False
    gpu: Literal["auto", "never", "always"] = "auto"
    max_text_bytes: Annotated[int, Field(ge=1, le=1 << 30)] = 16 << 20
    max_sources: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    changed_only: bool = False
    copy_days: Annotated[int, Field(ge=1, le=400)] = 1
    since: Annotated[int, Field(ge=0, lt=1 << 63)] | Literal["last"] | None = None
    recursive: bool = True
    partition_types: PartitionTypes | None = None


class Gate(Section):
    """The limits that a run must keep for its slices to be published.

    ``max_psi`` (population stability index) and ``max_ks`` (Kolmogorov-Smirnov: largest distance between two
    cumulative distributions of scores) limit how far a slice may be from the last ``history`` published days of its
    source. ``max_psi_test`` and ``max_ks_test`` limit how far it may be from the model's own test rows; None means no
    limit. A share or distance counts only if chance alone would give as much with a probability below
    ``significance``. Distances are checked for slices of at least ``min_rows`` rows.
    """

    max_rejects: Share = 0.1
    max_unknown: Share = 0.5
    max_psi: Index | None = 0.25
    max_ks: Share | None = 0.3
    max_psi_test: Index | None = None
    max_ks_test: Share | None = None
    significance: Annotated[float, Field(gt=0, lt=1)] = 0.001
    min_rows: Count = 1000
    history: Count = 7
    unique_ids: bool = False


class Lock(Section):
    """The lock of a run: ``lease`` is the time in seconds after which it is free if the run shows no sign of life."""

    lease: Annotated[float, Field(ge=3, le=86_400)] = 60.0


class Upkeep(Section):
    """How ``maintain_tables`` maintains tables.

    Files that no current row needs, and refused rows in staging, are kept for ``retention_days``. Long reads and time
    travel rely on Delta's 7 days, so fewer require ``short_retention``. Files are merged if their mean size is below
    ``small_file_mb``.
    """

    retention_days: Annotated[float, Field(ge=0, le=365_000)] = 7.0
    short_retention: bool = False
    small_file_mb: Count = 32

    @model_validator(mode="after")
    def _keeps_what_readers_need(self) -> "Upkeep":
        if self.retention_days < 7 and not self.short_retention:
            raise ValueError(
                f"retention_days below 7 can delete files under running readers, received {self.retention_days:g}; "
                "expected 7 or more, or short_retention = true"
            )
        return self


class Report(Section):
    """What a run's report may show: with ``texts``, the ``examples`` texts that models were least sure about."""

    texts: bool = False
    examples: Annotated[int, Field(ge=1, le=1000)] = 20


class Pipeline(Section):
    """A whole pipeline file.

    Exactly one of ``warehouse`` (a folder or URL of path-based Delta tables) and ``schema`` (a schema of a catalog) is
    given. ``models`` is the folder or URL of trained models; by default ``models`` inside the warehouse.
    """

    warehouse: Annotated[str, StringConstraints(pattern=r"^[^`]+$")] | None = None
    schema_name: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")] | None
    ) = Field(default=None, alias="schema")
    models: Annotated[str, Field(min_length=1)] | None = None
    sources: Annotated[list[Source], Field(min_length=1)]
    ingest: Ingest = Ingest()
    text: Text = Text()
    split: Split = Split()
    search: Search = Search()
    train: Train = Train()
    score: Score = Score()
    gate: Gate = Gate()
    lock: Lock = Lock()
    upkeep: Upkeep = Upkeep()
    report: Report = Report()
    nightly: Nightly = Nightly()
    logs: Logs = Logs()
    metrics: Metrics = Metrics()
    lineage: Lineage | None = None
    mlflow: Mlflow | None = None

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, value: list[Source]) -> list[Source]:
        # Case-insensitive file systems and catalogs would merge names that differ only in case.
        names = [source.name.casefold() for source in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected a different name for each source, received more than once: {', '.join(twice)}")
        return value

    @model_validator(mode="after")
    def _one_home(self) -> "Pipeline":
        if (self.warehouse is None) == (self.schema_name is None):
            given = "both" if self.warehouse else "neither"
            raise ValueError(f"expected either warehouse or schema, received {given}")
        if self.schema_name is not None and self.models is None:
            raise ValueError("schema needs models, the folder or URL of trained models")
        return self

    @model_validator(mode="after")
    def _overrides_name_sources(self) -> "Pipeline":
        if unknown := sorted(set(self.search.sources) - {source.name for source in self.sources}):
            raise ValueError(f"search.sources names sources that do not exist: {', '.join(unknown)}")
        return self

    @property
    def models_folder(self) -> str:
        """Folder or URL of the trained models."""
        return self.models or f"{self.warehouse}/models"

    @property
    def builds_by(self) -> str:
        """How chains build models: ``search`` or ``train``."""
        if self.nightly.build != "auto":
            return self.nightly.build
        return "search" if "search" in self.model_fields_set else "train"

    @property
    def tracking_uri(self) -> str | None:
        """The MLflow server that the file names; None if it names none."""
        return None if self.mlflow is None else self.mlflow.tracking_uri

    def source(self, name: str) -> Source | None:
        """Return the source with a name, or None."""
        return next((source for source in self.sources if source.name == name), None)
