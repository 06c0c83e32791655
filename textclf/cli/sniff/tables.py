"""Inspect Parquet and Delta tables: their columns of text, label, identifier and date."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.cli.delta import delta_rows
from textclf.cli.sniff.columns import Column, choices, choose_id, text_candidates
from textclf.cli.sniff.files import Look, NotLabelledError, looked, one_of
from textclf.cli.sniff.sample import Asked, Reading
from textclf.cli.sniff.values import value_text
from textclf.corpus.local.files import is_plain
from textclf.corpus.local.preview import LOOKED_AT, preview_columns
from textclf.corpus.local.tables import batches, bytes_of, is_plain_number, is_string, parquet_rows
from textclf.errors import InputError
from textclf.storage.files.folder_walk import hidden, no_data

_ROWS = 50_000


def table_format(path: Path) -> str | None:
    """Return ``delta``, ``parquet`` or None; a folder counts as Parquet if all its files are."""
    if (path / "_delta_log").is_dir():
        return "delta"
    if path.is_file():
        return "parquet" if path.suffix == ".parquet" else None
    found = None
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not hidden(name)]
        for name in names:
            if no_data(name) or not os.path.isfile(os.path.join(folder, name)):
                continue
            if not name.endswith(".parquet"):
                return None
            found = "parquet"
    return found


def look_at_table(path: Path, form: str, asked: Asked | None = None) -> Look:
    """Inspect the first rows of a table of labelled texts.

    Raises:
        NotLabelledError: The table has no column of texts, or no column of labels.
        UnsureError: Several columns qualify equally well.
    """
    table = _dataset(path, form)
    columns = _sample(path, form)
    found = choices([column for column, _ in columns], asked)
    if not found:
        raise NotLabelledError(
            f"{path} does not look like a table of labelled texts.",
            received=f"columns {', '.join(str(column.name) for column, _ in columns)}",
            expected="a column of texts and a column of labels: strings, numbers or booleans that recur",
            fix="name a labelled table; name a table to score with --score",
        )
    looks = []
    for choice in found:
        text, label = (str(columns[at][0].name) for at in (choice.text, choice.label))
        reading = Reading({"format": form, "text": text, "label": label}, choice.notes)
        with _explained(path, form):
            read = preview_columns(reading.source(), table, LOOKED_AT, _ROWS)
        looks.append(looked(reading, read))
    return one_of(path, looks)


@dataclass(frozen=True)
class Scorable:
    """Columns of a table to score."""

    id: str
    text: str
    source: str | None
    date: str | None


def look_at_input(path: Path, sources: Sequence[str]) -> Scorable:
    """Inspect a table to score.

    Raises:
        InputError: The table has no column of texts, or no column that identifies its rows.
    """
    try:
        form = table_format(path)
    except (OSError, ValueError) as error:
        raise InputError("The table to score is not there.", received=str(path), expected="a folder or file") from error
    columns = _sample(path, form) if form is not None else []
    names = [str(column.name) for column, _ in columns]
    values = [column for column, _ in columns]
    text = next(iter(text_candidates(values)[0]), None)
    key = choose_id(values, text)
    if text is None or key is None:
        raise InputError(
            f"{path} does not look like a table of texts to score.",
            received=f"columns {', '.join(names) or 'none'}",
            expected="Parquet or Delta, with a column of texts and one whose values identify the rows",
            fix="write the [score] section by hand: docs/manual/pipeline-file.md lists its keys",
        )
    source = next(
        (column.name for column in values if len(set(column.present)) > 0 and set(column.present) <= set(sources)), None
    )
    date = next((str(column.name) for column, kind in columns if kind == "date" or column.name == "ds"), None)
    return Scorable(names[key], names[text], source, date)


def _dataset(path: Path, form: str) -> Any:
    """Return the rows of a table as a pyarrow dataset.

    Raises:
        InputError: The table cannot be read.
    """
    from textclf.storage.files.listing import list_local

    with _explained(path, form):
        if form == "delta":
            return delta_rows(path)
        listing = list_local(str(path))
        files = [each.path for each in listing.files if is_plain(Path(each.path))]
        if not files:
            raise InputError(f"The table {path} cannot be read.", received="empty files", expected=f"a {form} table")
        return parquet_rows(files, listing)


@contextmanager
def _explained(path: Path, form: str) -> Iterator[None]:
    """Turn errors of reading a table into an InputError."""
    import pyarrow as pa

    from textclf.common.secrets import first_line

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"The table {path} cannot be read.", received=first_line(error), expected=f"a {form} table"
        ) from error


def _sample(path: Path, form: str) -> list[tuple[Column, str]]:
    """Read the first rows of the columns with plain values, as text; each column comes with the kind of its type."""
    table = _dataset(path, form)
    kinds = {field.name: kind for field in table.schema if (kind := _kind(field.type)) is not None}
    names = [name for name in kinds if table.schema.names.count(name) == 1]
    values: dict[str, list[str | None]] = {name: [] for name in names}
    rows = size = 0
    with _explained(path, form):
        for batch in batches(table, names) if names else ():
            for name, column in zip(names, batch.columns, strict=True):
                values[name] += _texts(column)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= _ROWS or size >= LOOKED_AT:
                break
    return [(Column(name, values[name]), kinds[name]) for name in names]


def _kind(kind: Any) -> str | None:
    from pyarrow import types

    if is_string(kind):
        return "text"
    if is_plain_number(kind):
        return "number"
    return "date" if types.is_date(kind.value_type if types.is_dictionary(kind) else kind) else None


def _texts(column: Any) -> list[str | None]:
    if is_string(column.type):
        values = bytes_of(column).to_pylist()
        return [None if value is None else value.decode(errors="replace") for value in values]
    return [value_text(value) for value in column.to_pylist()]
