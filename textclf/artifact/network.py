"""An artifact's network as a Keras model."""

from typing import Any

from textclf.artifact.artifact import Artifact
from textclf.errors import UsageError
from textclf.models import ARCHITECTURES, KerasArchitecture


def keras_model(artifact: Artifact) -> Any:
    """The artifact's network as a ``keras.Model``: the package's graph, the artifact's weights.

    Raises:
        UsageError: The artifact is not a network.
    """
    made = artifact.architecture
    if not isinstance(made, KerasArchitecture):
        networks = [name for name, other in ARCHITECTURES.items() if isinstance(other, KerasArchitecture)]
        raise UsageError(
            f"Model {artifact.reference} is not a Keras network.",
            received=made.name,
            expected=f"one of: {', '.join(networks)}",
        )
    model = made.build(artifact.hyperparameters, artifact.shape)
    model.set_weights(list(artifact.weights.values()))
    return model


def export_keras(artifact: Artifact, path: str) -> None:
    """Write the network as a ``.keras`` file, for tools that read such files.

    Its input is sequences as ``artifact.encoder`` makes them; its output is as the architecture has it.

    Raises:
        UsageError: The artifact is not a network, or ``path`` does not end in ``.keras``.
    """
    if not path.endswith(".keras"):
        raise UsageError("A Keras file has another name.", received=path, expected="a path that ends in .keras")
    keras_model(artifact).save(path)
