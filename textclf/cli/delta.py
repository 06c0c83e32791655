"""Delta tables without Spark: opened where the package deltalake can read them, refused by name where it cannot."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textclf.common.plain_paths import plain_table
from textclf.errors import InputError, UsageError

_MAPPING = "delta.columnMapping.mode"


class NeedsSparkError(InputError):
    """A Delta table that Spark alone can read."""


def open_delta(place: str | Path) -> Any:
    """The table at a path or URL, for a look at its version and columns.

    Raises:
        UsageError: The package is not installed.
        InputError: The table is damaged, or its log says things that only Spark understands.
    """
    try:
        import deltalake
    except ImportError as error:
        raise UsageError(
            "A package is missing that a look at Delta tables needs.", received=str(error), expected="deltalake",
            fix="pip install 'textclf[query]'",
        ) from error  # fmt: skip
    with _explained(place):
        return deltalake.DeltaTable(_openable(place))


def delta_rows(place: str | Path) -> Any:
    """The rows of the table at a path or URL, as a dataset of pyarrow.

    Raises:
        InputError: As ``open_delta``; or files alone do not say what its rows are: of rows that are marked as removed
            and of columns under other names every reader but Spark would give the wrong ones.
    """
    table = open_delta(place)
    with _explained(place):
        mapping = table.metadata().configuration.get(_MAPPING, "none")
        if mapping != "none":  # older tables have it without a feature of that name, and files under other names
            raise _needs_spark(place, f"{_MAPPING} = {mapping}")
        return table.to_pyarrow_dataset(filesystem=_on_disk(place))


def _openable(place: str | Path) -> str | Path:
    """The place; another for folders that the package does not find: it decodes ``%41`` and turns ``\\`` round."""
    if "://" in str(place) or not set("%\\") & set(str(Path(place).absolute())):
        return place
    return plain_table(Path(place))


def _on_disk(place: str | Path) -> Any:
    """Arrow's own file system at a folder; nothing for a URL, which the package opens.

    The package's is written in Python, and of a scan that was given up (LIMIT) Arrow's threads would call it while
    Python ends, which kills the process.
    """
    from pyarrow import fs

    return None if "://" in str(place) else fs.SubTreeFileSystem(str(Path(place).absolute()), fs.LocalFileSystem())


@contextmanager
def _explained(place: str | Path) -> Iterator[None]:
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError, ValueError) as error:  # of what a log says, each release refuses other things
        from textclf.common.secrets import first_line  # --help reads no pipeline file

        raise _needs_spark(place, first_line(error)) from error


def _needs_spark(place: str | Path, received: str) -> NeedsSparkError:
    return NeedsSparkError(
        f"The table {place} cannot be read without Spark.",
        received=received,
        expected="a Delta table whose log is whole, without features that change how files are read, such as deletion "
        "vectors and column mapping",
        fix="use Spark SQL for it; the jobs of textclf read it as it is, with its columns named in the pipeline file "
        "by hand. ALTER TABLE ... DROP FEATURE takes a feature away",
    )
