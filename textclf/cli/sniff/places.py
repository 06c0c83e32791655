"""Find the possible sources at a path: a table, or files that are grouped by name."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from textclf.cli.sniff.files import look_at_files
from textclf.cli.sniff.sample import Asked, NotLabelledError, unlike
from textclf.cli.sniff.tables import look_at_table, table_format
from textclf.corpus.local.files import describe
from textclf.errors import InputError
from textclf.storage.files.folder_walk import hidden, no_data
from textclf.storage.files.listing import escaped, list_local

if TYPE_CHECKING:
    from textclf.cli.sniff.files import Look


class DataPlace(NamedTuple):
    """A possible source: the path for its section, and the function that inspects it."""

    path: Path
    look: "Callable[[], Look]"


def data_places(given: str, asked: Asked) -> Iterator[DataPlace]:
    """Yield the possible sources at a path.

    Raises:
        InputError: The path does not exist or cannot be read.
    """
    place = Path(given)
    try:
        is_folder, is_file = place.is_dir(), place.is_file()
        there = place.exists()
        if is_folder:
            os.listdir(place)
    except (OSError, ValueError) as error:
        raise _unusable(given, getattr(error, "strerror", None) or str(error)) from error
    if not there or not given:
        raise InputError("The data does not exist.", received=given, expected="an existing file or folder")
    try:
        if is_file:
            found = [_file(place, asked)]
        elif is_folder:
            found = list(_folder(place, asked))
        else:
            raise _unusable(given, describe(place))
    except OSError as error:
        raise _unusable(given, error.strerror or str(error)) from error
    yield from found


def _unusable(given: str, received: str) -> InputError:
    return InputError(
        f"{given!r} cannot be inspected.",
        received=received,
        expected="an existing file or folder that this user may read",
        fix="correct its permissions, or write the data to a file",
    )


def _file(path: Path, asked: Asked) -> DataPlace:
    form = table_format(path)
    if form is not None:
        return DataPlace(path, lambda: look_at_table(path, form, asked))
    return DataPlace(path, lambda: look_at_files([_readable(path)], asked))


def _folder(folder: Path, asked: Asked) -> Iterator[DataPlace]:
    """Yield the possible sources in a folder: one table, or groups of files."""
    form = table_format(folder)
    if form is not None:
        yield DataPlace(folder, lambda: look_at_table(folder, form, asked))
        return
    entries = sorted(folder.iterdir())
    groups: dict[str, list[Path]] = {}
    for path in entries:
        if path.is_file() and not no_data(path.name):
            groups.setdefault(re.sub(r"\d+", "*", path.name), []).append(path)
    for pattern, files in groups.items():  # part-0001.csv and part-0002.csv are one source
        together = _path_of(folder, pattern, files)
        if together is None or files[0].suffix == ".parquet":
            yield from (_file(file, asked) for file in files)
        else:
            yield DataPlace(together, lambda files=files: look_at_files([*map(_readable, files)], asked))  # type: ignore[misc]
    for path in entries:
        if path.is_dir() and not hidden(path.name):
            yield DataPlace(path, lambda path=path: _within(path))  # type: ignore[misc]


def _within(folder: Path) -> "Look":
    """Refuse a subfolder, which may be a warehouse or unrelated data.

    Raises:
        NotLabelledError: Always; the message says what to do.
    """
    raise unlike(folder, "a subfolder: name it on the command line to include it")


def _path_of(folder: Path, pattern: str, files: Sequence[Path]) -> Path | None:
    """Return the path under which ingest reads exactly these files; None if there is none."""
    if len(files) == 1 and not files[0].name.startswith("part-"):
        return files[0]
    # Programs that write part-00000-... use new names on each run and write nothing else: the path is the folder.
    paths = [folder] if files[0].name.startswith("part-") else []
    paths += [files[0]] if len(files) == 1 else [Path(escaped(str(folder))) / pattern]
    for path in paths:
        try:
            read = {each.path for each in list_local(str(path)).entries}
        except InputError:
            continue
        if read == {os.path.abspath(file) for file in files}:
            return path
    return None


def _readable(path: Path) -> Path:
    """Return the path of a file if ingest can read it under its name.

    Raises:
        NotLabelledError: Hadoop does not read files with such a name.
    """
    try:
        list_local(str(path))
    except InputError as error:
        raise NotLabelledError(
            error.problem, received=error.received, expected=error.expected, fix=error.fix
        ) from error
    return path
