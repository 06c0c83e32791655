"""The files of a model read within bounds: what they may weigh is known before a byte of them is read."""

from collections.abc import Callable
from math import prod

from textclf.artifact.manifest import FILES, RESTORE, WEIGHTS, Manifest
from textclf.errors import ArtifactError, UsageError
from textclf.models import InputShape, architecture

_MOST = 1 << 31  # bytes of words, or of golden texts: Arrow's strings hold no more
_HEADER = 1 << 20  # bytes of names and shapes before the weights
_WIDEST = 8  # bytes of a weight


def read_files(manifest: Manifest, read: Callable[[str, int], bytes]) -> dict[str, bytes]:
    """The files that a manifest lists.

    Args:
        read: Gives a file of that name and that size, or raises.

    Raises:
        ArtifactError: A file is listed with more bytes than a model of these settings can have.
    """
    for name in FILES:
        most = _weights(manifest) if name == WEIGHTS else _MOST
        if manifest.files[name].size > most:
            raise ArtifactError(
                f"The file {name} of model {manifest.name}@{manifest.version} is larger than it can be.",
                received=f"{manifest.files[name].size} bytes by the manifest",
                expected=f"at most {most} bytes",
                fix=RESTORE,
            )
    return {name: read(name, manifest.files[name].size) for name in FILES}


def _weights(manifest: Manifest) -> int:
    """Bytes that the weights have at most: with as many words as the manifest allows.

    Raises:
        ArtifactError: The architecture is not one of this release, or does not have these hyperparameters.
    """
    shape = InputShape(manifest.num_words, manifest.max_length, len(manifest.labels))
    try:
        made = architecture(manifest.architecture)
        tensors = made.tensors(made.parse(manifest.hyperparameters), shape)
    except UsageError as error:
        raise ArtifactError(
            f"Model {manifest.name}@{manifest.version} has an unusable architecture.",
            received=error,
            expected="an architecture of this release",
            fix=RESTORE,
        ) from error
    return _HEADER + _WIDEST * sum(map(prod, tensors.values()))
