"""Read Delta tables without Spark, with the package deltalake; refuse those that only Spark reads correctly."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from textclf.common.plain_paths import plain_table
from textclf.common.spark_settings import s3_settings
from textclf.errors import InputError, UsageError

_MAPPING = "delta.columnMapping.mode"


class NeedsSparkError(InputError):
    """A Delta table that only Spark can read."""


def open_delta(place: str | Path) -> Any:
    """Open the table at a path or URL to read its version and columns.

    Raises:
        UsageError: The package deltalake is not installed.
        InputError: The table is damaged, or its log uses features that only Spark understands.
    """
    try:
        import deltalake
    except ImportError as error:
        raise UsageError(
            "Reading Delta tables needs a package that is missing.", received=str(error), expected="deltalake",
            fix="pip install 'textclf[query]'",
        ) from error  # fmt: skip
    with _explained(place):
        return deltalake.DeltaTable(_openable(place), storage_options=storage_options(place))


def delta_rows(place: str | Path) -> Any:
    """Return the rows of the table at a path or URL as a pyarrow dataset.

    Raises:
        InputError: As in ``open_delta``; or the files alone do not say what the rows are. With deletion vectors and
            column mapping, every reader but Spark would return wrong rows.
    """
    table = open_delta(place)
    with _explained(place):
        mapping = table.metadata().configuration.get(_MAPPING, "none")
        if mapping != "none":  # older tables have the setting, and renamed columns, without the table feature
            raise _needs_spark(place, f"{_MAPPING} = {mapping}")
        return table.to_pyarrow_dataset(filesystem=_on_disk(place))


def _openable(place: str | Path) -> str | Path:
    """Return a path that deltalake can open: it decodes ``%41`` and turns ``\\`` into ``/`` in the names of folders."""
    if "://" in str(place) or not set("%\\") & set(str(Path(place).absolute())):
        return place
    return plain_table(Path(place))


def storage_options(place: str | Path) -> dict[str, str] | None:
    """Return what Spark's settings say of the store at a URL; None for any other place."""
    found = s3_settings(str(place))
    return None if found is None else found.for_deltalake()


def _on_disk(place: str | Path) -> Any:
    """Return Arrow's own file system for a folder; None for a URL, which deltalake opens.

    The file system of deltalake is written in Python. After a scan that ends early (LIMIT), Arrow's threads would
    call it while Python shuts down, which kills the process.
    """
    from pyarrow import fs

    return None if "://" in str(place) else fs.SubTreeFileSystem(str(Path(place).absolute()), fs.LocalFileSystem())


def load_datasets() -> None:
    """Import Arrow's datasets, by which rows are read, without pandas, which Arrow would import with them.

    pandas takes longer to import than everything else that a query needs. Arrow asks for it once in a process, and
    does without it if it is not installed. So this is only for a process that converts nothing to or from pandas.
    """
    without = _WithoutPandas()
    sys.meta_path.insert(0, without)
    try:
        import pyarrow.dataset  # noqa: F401
    finally:
        sys.meta_path.remove(without)


class _WithoutPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)


@contextmanager
def _explained(place: str | Path) -> Iterator[None]:
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError, ValueError) as error:  # what deltalake cannot read differs between its releases
        from textclf.common.secrets import first_line  # --help reads no pipeline file

        raise _needs_spark(place, first_line(error)) from error


def _needs_spark(place: str | Path, received: str) -> NeedsSparkError:
    return NeedsSparkError(
        f"The table {place} cannot be read without Spark.",
        received=received,
        expected="a Delta table with a complete log, without features that change how files are read, such as "
        "deletion vectors and column mapping",
        fix="query it with Spark SQL. The jobs of textclf can read it when you name its columns in the pipeline file "
        "by hand. ALTER TABLE ... DROP FEATURE removes a feature",
    )
