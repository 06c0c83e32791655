"""Export of an artifact's network as a Keras model."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textclf.artifact.artifact import Artifact
from textclf.common.arrays import Float32
from textclf.errors import UsageError
from textclf.models import ARCHITECTURES, InputShape, KerasArchitecture, label_probabilities

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_BATCH = 512  # rows per call of the network; bounds the memory of its activations


def keras_model(artifact: Artifact, shape: InputShape | None = None) -> Any:
    """Build the artifact's network as a ``keras.Model``, from the package's graph and the artifact's weights.

    Args:
        artifact: A model whose architecture is a network.
        shape: Sizes of a different input, such as shorter sequences; by default the artifact's own.

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
    model = made.build(artifact.hyperparameters, shape or artifact.shape)
    model.set_weights(list(artifact.weights.values()))
    return model


def network_scores(model: Any, inputs: "npt.NDArray[Any] | csr_matrix", rows: int = _BATCH) -> Float32:
    """Compute the probabilities of a ``keras.Model``, shape (n, labels).

    Args:
        model: A ``keras.Model``.
        inputs: Sequences, shape (n, length), or counts, shape (n, words).
        rows: Number of rows per call of the network.
    """
    outputs = np.empty((inputs.shape[0], model.output_shape[-1]), np.float32)
    # Every call has the same shape: a new shape would trace the graph again, and scores would depend on neighbours.
    batch = np.zeros((rows, inputs.shape[1]), np.int32 if isinstance(inputs, np.ndarray) else np.float32)
    for start in range(0, len(outputs), rows):
        part = inputs[start : start + rows]
        batch[: part.shape[0]] = part if isinstance(part, np.ndarray) else part.toarray()
        outputs[start : start + rows] = model.predict_on_batch(batch)[: part.shape[0]]
    return label_probabilities(outputs)


def export_keras(artifact: Artifact, path: str) -> None:
    """Write the network as a ``.keras`` file, for tools that read such files.

    Its input is sequences, shape (n, ``max_length``), or counts, shape (n, words), as ``artifact.encoder`` makes them.
    Its output is that of the architecture: one probability per label, or only that of the second of two labels.

    Args:
        artifact: A model whose architecture is a network.
        path: Path of the file, which must end in ``.keras``.

    Raises:
        UsageError: The artifact is not a network, or ``path`` does not end in ``.keras``.

    Example:
        >>> from textclf import Classifier, export_keras
        >>> model = Classifier("dense", epochs=1).fit(["good food", "bad food"] * 4, ["+", "-"] * 4)
        >>> export_keras(model.artifact_, str(folder / "model.keras"))
        >>> (folder / "model.keras").is_file()
        True
    """
    if not path.endswith(".keras"):
        raise UsageError("This is not the name of a Keras file.", received=path, expected="a path that ends in .keras")
    keras_model(artifact).save(path)
