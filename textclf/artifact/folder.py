"""Write an artifact to a folder of any name outside a store, for other tools, and read it back."""

from pathlib import Path

from textclf.artifact.artifact import Artifact
from textclf.artifact.bounded_files import read_files
from textclf.artifact.manifest import MANIFEST, MAX_MANIFEST_BYTES, RESTORE, Manifest
from textclf.errors import ArtifactError


def write_folder(artifact: Artifact, folder: Path) -> None:
    """Create a folder and write manifest and files into it."""
    folder.mkdir(parents=True)
    for name, data in {MANIFEST: artifact.manifest_bytes, **artifact.files}.items():
        (folder / name).write_bytes(data)


def read_folder(folder: Path) -> Artifact:
    """Read and check the artifact in a folder; other files in the folder are ignored.

    Raises:
        ArtifactError: A file is missing, a link, altered or of the wrong size, or does not fit the architecture.
    """
    manifest_bytes = _read(folder / MANIFEST, None)
    manifest = Manifest.from_bytes(manifest_bytes)
    files = read_files(manifest, lambda name, size: _read(folder / name, size))
    return Artifact(manifest_bytes, files).checked()


def _read(path: Path, size: int | None) -> bytes:
    """Read a file after checking its size."""
    plain = path.is_file() and not path.is_symlink()
    found = path.stat().st_size if plain else None
    if found is None or (found > MAX_MANIFEST_BYTES if size is None else found != size):
        raise ArtifactError(
            f"The file {path} of a model is missing or of the wrong size.",
            received="no file" if found is None else f"{found} bytes",
            expected=f"at most {MAX_MANIFEST_BYTES} bytes" if size is None else f"{size} bytes",
            fix=RESTORE,
        )
    with path.open("rb") as file:
        return file.read(found)  # not more, in case the file grows meanwhile
