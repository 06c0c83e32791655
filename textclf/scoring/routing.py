"""Routing: which model scores which row."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from textclf.artifact import Artifact, ModelStore
from textclf.artifact.mlflow_registry import is_registered, load_registered, registry_address
from textclf.artifact.store import parse_reference
from textclf.config import Pipeline
from textclf.errors import InputError, UsageError


@dataclass(frozen=True)
class Routes:
    """Models by key. The key of a row is its source, or all rows have the same key.

    Attributes:
        artifacts: The models that score rows, by key.
        key: Key of all rows; None if each row's key is its source.
        registered: Origin of a model from an MLflow registry: ``uri``, ``version``, ``registry``.
        challengers: Models that score beside ``artifacts``, by the same keys; a key need not have one.
    """

    artifacts: dict[str, Artifact]
    key: str | None
    registered: Mapping[str, str] = field(default_factory=dict)
    challengers: dict[str, Artifact] = field(default_factory=dict)

    @property
    def used(self) -> list[Artifact]:
        """All models that score rows, champions first."""
        return [*self.artifacts.values(), *self.challengers.values()]

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each model by its ``name@version``."""
        return {artifact.reference: artifact.digest for artifact in self.used}


def plan_routes(store: ModelStore, pipeline: Pipeline, model: str | None) -> Routes:
    """Load the models that a run needs.

    The ``model`` of the command line scores all rows. Without it, each source's champion scores the rows of that
    source if there is a source column; if not, the pipeline file's ``model`` scores all rows. Either model may be a
    ``models:/`` URI of an MLflow registry.

    Raises:
        UsageError: Neither a model nor a source column is given.
        InputError: A model does not exist or is damaged.
    """
    score = pipeline.score
    reference = model or (None if score.source else score.model)
    if reference is not None and is_registered(reference):
        return _registered(reference, registry_address(pipeline.tracking_uri, store.root))
    if reference is not None:
        artifact = store.load(*parse_reference(reference))
        return Routes({artifact.manifest.name: artifact}, artifact.manifest.name)
    names = [name for name in store.names() if store.champion(name) is not None]
    if score.source is None:
        raise UsageError(
            "No model is given to score the input.",
            expected=f"one of: {', '.join(names) or 'none trained yet'}",
            fix="give --model NAME, or set model or source under [score] in the pipeline file",
        )
    if not names:
        raise InputError(
            "There is no trained model.",
            received=f"no model under {store.root}",
            expected="a champion for each source",
            fix="run the job train_model first",
        )
    return Routes({name: store.load(name) for name in names}, None)


def _registered(uri: str, address: str) -> Routes:
    found = load_registered(uri, address)
    name = found.artifact.manifest.name
    origin = {"uri": found.uri, "version": found.version, "registry": found.registry}
    return Routes({name: found.artifact}, name, registered=origin)
