"""Which model scores which row."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from textclf.artifact import Artifact, ModelStore
from textclf.artifact.mlflow_registry import is_registered, load_registered, registry_address
from textclf.artifact.store import parse_reference
from textclf.config import Pipeline
from textclf.errors import InputError, UsageError


@dataclass(frozen=True)
class Routes:
    """Models by key; the key of a row is its source, or the same for all rows.

    Attributes:
        key: Key of all rows, None where each row's source is its key.
        challengers: The models that score beside those, by the same keys; not every key has one.
        registered: Where a model of an MLflow registry came from: ``uri``, ``version``, ``registry``.
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

    ``model``, the command line's, scores all rows. Without it and with a source column, each source's champion
    scores the rows of that source. Else the pipeline file's ``model`` scores all rows. Both may be ``models:/``
    URIs of an MLflow registry.

    Raises:
        UsageError: Nothing says which model.
        InputError: There is no such model, or it is damaged.
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
            "Nothing says which model scores the input.",
            expected=f"one of: {', '.join(names) or 'none trained yet'}",
            fix="give --model NAME, or set model or source under [score] in the pipeline file",
        )
    if not names:
        raise InputError(
            "No source has a trained model.",
            received=f"no model under {store.root}",
            expected="a champion of each source",
            fix="run the job train_model first",
        )
    return Routes({name: store.load(name) for name in names}, None)


def _registered(uri: str, address: str) -> Routes:
    found = load_registered(uri, address)
    name = found.artifact.manifest.name
    origin = {"uri": found.uri, "version": found.version, "registry": found.registry}
    return Routes({name: found.artifact}, name, registered=origin)
