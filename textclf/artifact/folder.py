"""An artifact's files in a folder of any name, outside a store: for other tools, and back from them."""

from pathlib import Path

from textclf.artifact.artifact import Artifact
from textclf.artifact.bounded_files import read_files
from textclf.artifact.manifest import MANIFEST, MAX_MANIFEST_BYTES, RESTORE, Manifest
from textclf.errors import ArtifactError


def write_folder(artifact: Artifact, folder: Path) -> None:
    """Write manifest and files into a folder, which is made."""
    folder.mkdir(parents=True)
    for name, data in {MANIFEST: artifact.manifest_bytes, **artifact.files}.items():
        (folder / name).write_bytes(data)


def read_folder(folder: Path) -> Artifact:
    """The artifact of a folder, after every check; nothing else in the folder is looked at.

    Raises:
        ArtifactError: A file is missing, a link, of another size or altered, or does not fit the architecture.
    """
    manifest_bytes = _read(folder / MANIFEST, None)
    manifest = Manifest.from_bytes(manifest_bytes)
    files = read_files(manifest, lambda name, size: _read(folder / name, size))
    return Artifact(manifest_bytes, files).checked()


def _read(path: Path, size: int | None) -> bytes:
    """A file's bytes; its size is looked at before anything is read."""
    plain = path.is_file() and not path.is_symlink()
    found = path.stat().st_size if plain else None
    if found is None or (found > MAX_MANIFEST_BYTES if size is None else found != size):
        raise ArtifactError(
            f"The file {path} of a model is missing or of another size.",
            received="no file" if found is None else f"{found} bytes",
            expected=f"at most {MAX_MANIFEST_BYTES} bytes" if size is None else f"{size} bytes",
            fix=RESTORE,
        )
    with path.open("rb") as file:
        return file.read(found)  # no more, should it grow meanwhile
