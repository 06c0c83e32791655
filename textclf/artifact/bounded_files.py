"""Read the files of a model within bounds: the largest possible size is known before a byte is read."""

from collections.abc import Callable
from math import prod

from textclf.artifact.manifest import FILES, RESTORE, WEIGHTS, Manifest
from textclf.errors import ArtifactError, UsageError

_MOST = 1 << 31  # bytes of words or of golden texts: the limit of Arrow's strings
_HEADER = 1 << 20  # bytes of names and shapes before the weights
_WIDEST = 8  # bytes of a weight


def read_files(manifest: Manifest, read: Callable[[str, int], bytes]) -> dict[str, bytes]:
    """Read the files that a manifest lists.

    Args:
        manifest: The manifest.
        read: Function from a file's name and exact size to its bytes; raises if there is no such file.

    Raises:
        ArtifactError: The manifest lists a file with more bytes than a model with these settings can have.
    """
    for name in FILES:
        most = _weights(manifest) if name == WEIGHTS else _MOST
        if manifest.files[name].size > most:
            raise ArtifactError(
                f"The file {name} of model {manifest.name}@{manifest.version} is larger than it can be.",
                received=f"{manifest.files[name].size} bytes, according to the manifest",
                expected=f"at most {most} bytes",
                fix=RESTORE,
            )
    return {name: read(name, manifest.files[name].size) for name in FILES}


def _weights(manifest: Manifest) -> int:
    """Return the most bytes that the weights can have, which is with as many words as the manifest allows.

    Raises:
        ArtifactError: This release does not have the architecture, or not with these hyperparameters.
    """
    from textclf.models import InputShape, architecture  # not needed to list models

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
