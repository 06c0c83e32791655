"""Folders of trained models: ``NAME/VERSION/`` and, beside the versions, ``champion``."""

import re
from dataclasses import dataclass
from uuid import uuid4

from pyarrow import fs

from textclf.artifact.artifact import FILES, MANIFEST, Artifact
from textclf.errors import ArtifactError, InputError

_CHAMPION = "champion"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class ModelStore:
    """The models under a folder or URL.

    URLs go through Arrow's file systems (s3, gs, abfs, hdfs); ``s3a`` is Hadoop's name for ``s3``. Where
    the file system has no atomic rename, as on S3, give each model one writer at a time.
    """

    root: str

    def names(self) -> list[str]:
        """Names of all models."""
        return [name for name in self._list("") if _NAME.fullmatch(name)]

    def versions(self, name: str) -> list[str]:
        """Versions of a model, oldest first; none for a model that does not exist."""
        return sorted((found for found in self._list(_checked(name)) if found.isdecimal()), key=int)

    def champion(self, name: str) -> str | None:
        """The version in use, None before the first."""
        try:
            return self._read(f"{_checked(name)}/{_CHAMPION}").decode().strip()
        except FileNotFoundError:
            return None

    def next_version(self, name: str) -> str:
        """The version that the next save would get."""
        return str(max(map(int, self.versions(name)), default=0) + 1)

    def save(self, artifact: Artifact) -> None:
        """Write a version: aside first, then renamed, so that nobody sees half of it.

        Raises:
            ArtifactError: The version exists already, from another training at the same time.
        """
        name, version = artifact.manifest.name, artifact.manifest.version
        aside = f"{_checked(name)}/.{version}-{uuid4().hex}"
        system, _ = self._at(aside)
        system.create_dir(self._at(aside)[1], recursive=True)
        try:
            for file, data in {**artifact.files, MANIFEST: artifact.manifest_bytes}.items():
                self._write(f"{aside}/{file}", data)
            if version in self.versions(name):
                raise FileExistsError(version)
            system.move(self._at(aside)[1], self._at(f"{name}/{version}")[1])
        except OSError as error:
            system.delete_dir(self._at(aside)[1])
            raise ArtifactError(
                f"Version {version} of model {name} could not be saved.",
                received=error,
                expected=f"a version that does not exist yet under {self.root}/{name}",
                fix="if two trainings of this model ran at the same time, run this one again",
            ) from error

    def promote(self, name: str, version: str) -> None:
        """Make a version the champion, in one step.

        Raises:
            InputError: There is no such version.
        """
        if version not in self.versions(name):
            raise self._missing(name, version)
        aside = f"{name}/.{_CHAMPION}-{uuid4().hex}"
        self._write(aside, f"{version}\n".encode())
        system, path = self._at(aside)
        system.move(path, self._at(f"{name}/{_CHAMPION}")[1])

    def load(self, reference: str) -> Artifact:
        """The model that ``NAME`` (its champion) or ``NAME@VERSION`` stands for, checked.

        Raises:
            InputError: There is no such model or version.
            ArtifactError: It is there and damaged.
        """
        name, _, version = reference.partition("@")
        version = version or self.champion(name) or ""
        if version not in self.versions(name):
            raise self._missing(name, version)
        folder = f"{name}/{version}"
        try:
            artifact = Artifact(
                self._read(f"{folder}/{MANIFEST}"), {file: self._read(f"{folder}/{file}") for file in FILES}
            ).checked()
        except FileNotFoundError as error:
            raise ArtifactError(
                f"Model {name}@{version} is incomplete.",
                received=error,
                expected=f"the files {MANIFEST}, {', '.join(FILES)}",
                fix="restore the folder, or train the model again",
            ) from error
        if artifact.reference != f"{name}@{version}":
            raise ArtifactError(
                f"The folder of model {name}@{version} holds another model.",
                received=artifact.reference,
                expected=f"{name}@{version}",
                fix="restore the folder, or train the model again",
            )
        return artifact

    def _missing(self, name: str, version: str) -> InputError:
        versions = ", ".join(self.versions(name)) if _NAME.fullmatch(name) else ""
        return InputError(
            "There is no such model.",
            received=f"{name}@{version}" if version else f"{name}, which has no champion",
            expected=f"a version of {name}: {versions}" if versions else f"one of: {', '.join(self.names()) or 'none'}",
            fix="train one with the job train_model, or check the name",
        )

    def _at(self, relative: str) -> tuple[fs.FileSystem, str]:
        location = f"{self.root}/{relative}".rstrip("/")
        if "://" in location or location.startswith("file:"):
            system, path = fs.FileSystem.from_uri(re.sub(r"^s3[an]://", "s3://", location))
            return system, path
        return fs.LocalFileSystem(), location

    def _list(self, relative: str) -> list[str]:
        system, path = self._at(relative)
        found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)

    def _read(self, relative: str) -> bytes:
        system, path = self._at(relative)
        with system.open_input_stream(path, compression=None) as stream:
            return bytes(stream.read())

    def _write(self, relative: str, data: bytes) -> None:
        system, path = self._at(relative)
        with system.open_output_stream(path, compression=None) as stream:
            stream.write(data)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(
            "This is not a model's name.", received=name, expected="letters, digits, _ and -, a letter or digit first"
        )
    return name
