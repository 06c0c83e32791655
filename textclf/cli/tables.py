"""A look at Parquet and Delta tables: their text, label, identifier and day."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.cli.columns import Column, choose_id, choose_text, label_candidates
from textclf.cli.delta import delta_rows
from textclf.cli.look import Look, NotLabelledError, choose, make
from textclf.errors import InputError

_ROWS = 50_000


def table_format(path: Path) -> str | None:
    """``delta`` or ``parquet``, None where it is neither."""
    if (path / "_delta_log").is_dir():
        return "delta"
    if path.is_file():
        return "parquet" if path.suffix == ".parquet" else None
    return "parquet" if next(path.rglob("*.parquet"), None) is not None else None


def look_at_table(path: Path, form: str) -> Look:
    """Look at the first rows of a table of labelled texts.

    Raises:
        NotLabelledError: No column of it is a text, or none a label.
    """
    columns, rows = _sample(path, form)
    chosen = choose([column for column, _ in columns])
    if chosen is None:
        raise NotLabelledError(
            f"{path} does not look like a table of labelled texts.",
            received=f"columns {', '.join(str(column.name) for column, _ in columns)}",
            expected="a column of texts, and one of labels: strings, integers or booleans that occur often",
            fix="name a labelled table; a table to score is named with --score",
        )
    text, label = (columns[at][0] for at in chosen)
    keys = {"format": form, "text": text.name, "label": label.name}
    pairs = list(zip(text.values, label.values, strict=True))
    others = [columns[at][0].name for at in label_candidates([column for column, _ in columns], chosen[0])[1:]]
    notes = (f"other columns that could be the label: {', '.join(map(str, others))}",) if others else ()
    return make(keys, pairs, 0, whole=rows <= _ROWS, place=path, notes=notes)


@dataclass(frozen=True)
class Scorable:
    """Columns of a table to score."""

    id: str
    text: str
    source: str | None
    date: str | None


def look_at_input(path: Path, sources: Sequence[str]) -> Scorable:
    """Look at a table to score.

    Raises:
        InputError: No column of texts, or none that tells rows apart.
    """
    form = table_format(path)
    columns, _ = _sample(path, form) if form is not None else ([], 0)
    names = [str(column.name) for column, _ in columns]
    values = [column for column, _ in columns]
    text = choose_text(values)
    key = choose_id(values, text)
    if text is None or key is None:
        raise InputError(
            f"{path} does not look like a table of texts to score.",
            received=f"columns {', '.join(names) or 'none'}",
            expected="Parquet or Delta, with a column of texts and one whose values tell the rows apart",
            fix="write the [score] section by hand: README.md lists its keys",
        )
    source = next(
        (column.name for column in values if len(set(column.present)) > 0 and set(column.present) <= set(sources)), None
    )
    date = next((str(column.name) for column, kind in columns if kind == "date" or column.name == "ds"), None)
    return Scorable(names[key], names[text], source, date)


def _sample(path: Path, form: str) -> tuple[list[tuple[Column, str]], int]:
    """The columns with plain values, as text, each with the kind of its type; and the rows of the table."""
    import pyarrow as pa
    from pyarrow import dataset

    from textclf.config import first_line

    try:
        table = delta_rows(path) if form == "delta" else dataset.dataset(path, format="parquet", partitioning="hive")
        rows, head = table.count_rows(), table.head(_ROWS)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"The table {path} cannot be read.", received=first_line(error), expected=f"a {form} table"
        ) from error
    found = []
    for field in head.schema:
        kind = _kind(field.type)
        if kind is not None:
            values = head[field.name].to_pylist()
            found.append((Column(field.name, [None if value is None else _text(value) for value in values]), kind))
    return found, rows


def _kind(kind: Any) -> str | None:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _kind(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind) or types.is_boolean(kind):
        return "number"
    return "date" if types.is_date(kind) else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
