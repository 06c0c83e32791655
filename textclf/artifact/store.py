"""The store of trained models: folders ``NAME/VERSION/``, and a file ``champion`` with current and past champions."""

import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from pyarrow import ArrowException, fs

from textclf.artifact.artifact import Artifact
from textclf.artifact.bounded_files import read_files
from textclf.artifact.champions_lock import champions_locked
from textclf.artifact.manifest import MANIFEST, MAX_MANIFEST_BYTES, NAME, RESTORE, Manifest
from textclf.common.file_systems import file_system, replace_in
from textclf.errors import ArtifactError, InputError, UsageError

_CHAMPION = "champion"
_NAME = re.compile(NAME)
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_CHAMPION_BYTES = 4096  # read from that file: more than its versions take
_KEPT = 20  # champions that the file keeps
_SHOWN = 300  # characters of a location or message in an error
_ATTEMPTS = 50  # to claim the next version while other writers try the same


def parse_reference(reference: str) -> tuple[str, str | None]:
    """Split the reference of a model, ``NAME`` or ``NAME@VERSION``.

    Args:
        reference: The reference: ``yelp`` or ``yelp@3``.

    Returns:
        Name and version; the version is None if the reference means the champion.

    Raises:
        UsageError: The text is not a reference.

    Example:
        >>> parse_reference("yelp"), parse_reference("yelp@3")
        (('yelp', None), ('yelp', '3'))
    """
    name, at, version = reference.partition("@")
    if not _NAME.fullmatch(name) or (at and not _VERSION.fullmatch(version)):
        raise UsageError(
            "This is not a reference to a model.",
            received=reference,
            expected="NAME (for its champion) or NAME@VERSION, such as yelp or yelp@3",
        )
    return name, version or None


class ModelStore:
    """The models under a folder or URL. Each has numbered versions, one of which is its champion.

    Where this process has a Spark driver, URLs are opened with Spark's file systems, credentials and settings, and
    elsewhere with Arrow's (s3, gs, abfs, hdfs), for which ``s3a``, Hadoop's name for ``s3``, is ``s3`` too. The
    manifest of a version is written last and atomically, and a version without a manifest does not count. So a reader
    never sees half a version.

    Args:
        root: Folder or URL of all models, such as ``Workspace.models``. It need not exist yet.

    Raises:
        InputError: The scheme of the URL is not supported, or its file system cannot be reached.

    Example:
        >>> import tempfile
        >>> from textclf import Classifier
        >>> model = Classifier("logistic_regression").fit(["good food", "bad food"] * 4, ["+", "-"] * 4).artifact_
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = ModelStore(folder.name)
        >>> store.save(model).reference, store.save(model).reference
        ('classifier@1', 'classifier@2')
        >>> store.promote("classifier", "2")
        >>> store.names(), store.versions("classifier"), store.champion("classifier")
        (['classifier'], ['1', '2'], '2')
        >>> store.load("classifier").manifest.labels
        ['+', '-']
    """

    def __init__(self, root: str) -> None:
        self.root = root
        with self._usable():
            self._system, self._base = file_system(root)

    def names(self) -> list[str]:
        """List the names of all models, sorted.

        Returns:
            Names.

        Raises:
            InputError: The folder cannot be read.
        """
        return sorted({name for name, _ in self._complete() if _NAME.fullmatch(name)})

    def versions(self, name: str) -> list[str]:
        """List the versions of a model.

        Args:
            name: Name of the model.

        Returns:
            Versions, oldest first; empty for a model that does not exist.

        Raises:
            InputError: ``name`` is not a valid model name, or the folder cannot be read.
        """
        return sorted((version for _, version in self._complete(_checked(name))), key=int)

    def champion(self, name: str) -> str | None:
        """Find the champion of a model.

        Args:
            name: Name of the model.

        Returns:
            The version; None if there has been no champion yet.

        Raises:
            InputError: ``name`` is not a valid model name, or the folder cannot be read.
        """
        return next(iter(self.champions(name)), None)

    def champions(self, name: str) -> list[str]:
        """List the champion of a model and the champions before it.

        Args:
            name: Name of the model.

        Returns:
            At most 20 versions, the present champion first.

        Raises:
            InputError: ``name`` is not a valid model name, or the folder cannot be read.
        """
        try:
            return self._read(f"{_checked(name)}/{_CHAMPION}", _CHAMPION_BYTES).decode("ascii", "replace").split()
        except FileNotFoundError:
            return []

    def manifest(self, name: str, version: str) -> Manifest:
        """Read the manifest of a version; its other files are neither read nor checked.

        Args:
            name: Name of the model.
            version: Number of the version, as text.

        Returns:
            The manifest: architecture, labels, settings and measures.

        Raises:
            InputError: There is no such model or version.
            ArtifactError: The manifest cannot be used.
        """
        return Manifest.from_bytes(self._manifest_bytes(name, version))

    def save(self, artifact: Artifact) -> Artifact:
        """Write a model as the next version of its name.

        Args:
            artifact: The model. Its own version is ignored.

        Returns:
            The artifact with the version that it was saved as.

        Raises:
            ArtifactError: Other writers took every version that was tried.
            InputError: The artifact's name is not a valid model name.
        """
        name = _checked(artifact.manifest.name)
        version, claim = self._claim(name)
        saved = artifact.with_version(version)
        for file, data in saved.files.items():
            self._write(f"{name}/{version}/{file}", data)
        replace_in(self._system, self._path(f"{name}/{version}/{MANIFEST}"), saved.manifest_bytes)
        self._system.delete_file(self._path(claim))
        return saved

    def promote(self, name: str, version: str) -> None:
        """Make a version the champion atomically; earlier champions are kept for ``roll_back``.

        Simultaneous changes are made one after another, so that none is lost.

        Args:
            name: Name of the model.
            version: Number of the version, as text.

        Raises:
            InputError: There is no such version.
            ArtifactError: Other writers kept changing the champions.
        """
        if not (_VERSION.fullmatch(version) and self._has(f"{_checked(name)}/{version}/{MANIFEST}")):
            raise self._missing(name, version)
        with champions_locked(self._system, self._path(name)):
            before = [other for other in self.champions(name) if other != version]
            self._set_champions(name, [version, *before[: _KEPT - 1]])

    def roll_back(self, name: str) -> str:
        """Make the previous champion the champion again.

        Args:
            name: Name of the model.

        Returns:
            The version that is now the champion.

        Raises:
            InputError: There is no earlier champion, or its version no longer exists.
            ArtifactError: Other writers kept changing the champions.
        """
        if not self.versions(name):  # there may be no folder for the lock
            raise self._no_earlier(name, [])
        with champions_locked(self._system, self._path(name)):
            return self._roll_back(name)

    def _roll_back(self, name: str) -> str:
        champions = self.champions(name)
        there = self.versions(name)
        left = [version for version in champions[1:] if version in there]
        if not left:
            raise self._no_earlier(name, champions)
        self._set_champions(name, left)
        return left[0]

    def _no_earlier(self, name: str, champions: list[str]) -> InputError:
        return InputError(
            f"Model {name} has no earlier champion to go back to.",
            received=f"champions {', '.join(champions) or 'none'}; versions {', '.join(self.versions(name)) or 'none'}",
            expected="an earlier champion whose version still exists",
            fix="promote the version that you want",
        )

    def load(self, name: str, version: str | None = None) -> Artifact:
        """Load a version of a model and check it: sizes, digests and contents of all files.

        Args:
            name: Name of the model.
            version: Number of the version, as text; None for the champion.

        Returns:
            The model as data.

        Raises:
            InputError: There is no such model or version.
            ArtifactError: The version is damaged.
        """
        version = version or self.champion(name)
        if version is None:
            raise self._missing(name, version)
        place = f"{name}/{version}"
        manifest_bytes = self._manifest_bytes(name, version)
        manifest = Manifest.from_bytes(manifest_bytes)
        if (manifest.name, manifest.version) != (name, version):
            raise ArtifactError(
                f"The folder of model {name}@{version} contains a different model.",
                received=f"{manifest.name}@{manifest.version}",
                expected=f"{name}@{version}",
                fix=RESTORE,
            )
        files = read_files(manifest, lambda file, size: self._read_exactly(f"{place}/{file}", size))
        return Artifact(manifest_bytes, files).checked()

    def _manifest_bytes(self, name: str, version: str) -> bytes:
        place = f"{_checked(name)}/{version}/{MANIFEST}"
        if not _VERSION.fullmatch(version):
            raise self._missing(name, version)
        try:
            return self._read_exactly(place, None)
        except ArtifactError:
            if version not in self._folders(name):
                raise self._missing(name, version) from None
            raise

    def _set_champions(self, name: str, versions: list[str]) -> None:
        data = "".join(f"{version}\n" for version in versions).encode()
        replace_in(self._system, self._path(f"{name}/{_CHAMPION}"), data)

    def _claim(self, name: str) -> tuple[str, str]:
        """Claim the next version; returns it and the file that holds the claim until the version is complete.

        Each writer puts its own file into the folder of the version and then lists the folder. A writer that finds
        another file there gives up the version. Two writers cannot both find only their own file, since each writes
        before it lists. So neither locks nor exclusive creation are needed, which object stores lack.
        """
        for _ in range(_ATTEMPTS):
            taken = [int(number) for number in self._folders(name) if _VERSION.fullmatch(number)]
            version = str(max(taken, default=0) + 1)
            claim = f"{name}/{version}/.claim-{uuid4().hex}"
            self._write(claim, b"")
            present = self._system.get_file_info(fs.FileSelector(self._path(f"{name}/{version}")))
            if len(present) == 1:
                return version, claim
            self._system.delete_file(self._path(claim))
            time.sleep(random.uniform(0.0, 0.05))  # random, since writers in step would collide again and again
        raise ArtifactError(
            f"Model {name} could not be saved: other writers took every version.",
            received=f"other writers in each of {_ATTEMPTS} attempts",
            expected="a free version number",
            fix="try again when fewer trainings of this model end at the same time",
        )

    def _read_exactly(self, relative: str, size: int | None) -> bytes:
        """Read a file of a version after checking its size."""
        info = self._system.get_file_info(self._path(relative))
        wanted = f"{size} bytes" if size is not None else f"at most {MAX_MANIFEST_BYTES} bytes"
        fits = info.is_file and (info.size == size if size is not None else info.size <= MAX_MANIFEST_BYTES)
        if not fits:
            raise ArtifactError(
                f"The file {relative} of the models in {self.root} is missing or of the wrong size.",
                received=f"{info.size} bytes" if info.is_file else "no file",
                expected=wanted,
                fix=RESTORE,
            )
        return self._read(relative, int(info.size))

    def _missing(self, name: str, version: str | None) -> InputError:
        versions = self.versions(name)
        among = f"a version of {name} among: {', '.join(versions)}"
        return InputError(
            "There is no such model.",
            received=f"{name}@{version}" if version else f"{name}, which has no champion",
            expected=among if versions else f"one of: {', '.join(self.names()) or 'none'}",
            fix="train one with the job train_model, or check the name",
        )

    def _path(self, relative: str) -> str:
        return f"{self._base}/{relative}".rstrip("/")

    def _complete(self, *names: str) -> Iterator[tuple[str, str]]:
        """Yield name and version of each complete model, of these names or of all: where requests count, by one list.

        On a local disk no other folder is entered: it may be large, or closed to this user.
        """
        if self._system.type_name == "local":
            for name in names or self._folders(""):
                numbers = [number for number in self._folders(name) if _VERSION.fullmatch(number)]
                yield from ((name, number) for number in numbers if self._has(f"{name}/{number}/{MANIFEST}"))
            return
        (below,) = names or ("",)
        with self._usable():
            selector = fs.FileSelector(self._path(below), allow_not_found=True, recursive=True)
            found = self._system.get_file_info(selector)
        for info in found:
            inside = info.path.removeprefix(self._path(below)).strip("/").split("/")
            parts = [*names, *inside]
            if info.is_file and len(parts) == 3 and parts[2] == MANIFEST and _VERSION.fullmatch(parts[1]):
                yield parts[0], parts[1]

    def _folders(self, relative: str) -> list[str]:
        with self._usable():
            found = self._system.get_file_info(fs.FileSelector(self._path(relative), allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Name the location in errors of Arrow; leave missing files to the caller."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, ValueError, ArrowException) as error:
            raise InputError(
                f"The models at {ascii(self.root)[1:-1][:_SHOWN]} cannot be read.",
                received=str(error).partition("\n")[0][:_SHOWN].encode(errors="replace").decode(),
                expected="a folder, or a URL that starts with file, s3, s3a, gs, abfs or hdfs",
                fix="check the location of the models, this user's permission to read it, and what its URL needs",
            ) from error

    def _has(self, relative: str) -> bool:
        return bool(self._system.get_file_info(self._path(relative)).is_file)

    def _read(self, relative: str, most: int) -> bytes:
        with self._usable(), self._system.open_input_stream(self._path(relative), compression=None) as stream:
            return bytes(stream.read(most))

    def _write(self, relative: str, data: bytes) -> None:
        self._system.create_dir(self._path(relative).rpartition("/")[0], recursive=True)
        with self._system.open_output_stream(self._path(relative), compression=None) as stream:
            stream.write(data)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(
            "This is not a valid model name.", received=name, expected="letters, digits, _ and -, not _ or - first"
        )
    return name
