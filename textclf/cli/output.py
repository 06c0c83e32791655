"""Output of the commands: tables for people, JSON for programs."""

import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from textclf.common.terminal import json_text, visible

_WIDEST = 60  # characters of a cell


def write_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(json_text(value, stream=sys.stdout) + "\n")


def write_lines(text: str) -> None:
    """Print lines for people."""
    sys.stdout.write(visible(text, lines=True) + "\n")


def write_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with aligned columns; numbers are aligned to the right."""
    cells = [[cell(value) for value in row] for row in rows]
    header = [visible(name) for name in header]
    widths = [max(map(width, column)) for column in zip(header, *cells, strict=True)]
    right = [bool(rows) and all(_is_number(row[at]) for row in rows) for at in range(len(header))]
    for line in (header, ["-" * size for size in widths], *cells):
        padded = [
            " " * (size - width(text)) + text if aligned else text + " " * (size - width(text))
            for text, size, aligned in zip(line, widths, right, strict=True)
        ]
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def cell(value: object) -> str:
    """Format a value for a table: on one line, cut to 60 characters."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = visible(str(value))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    Example:
        >>> width("good"), width("東京")
        (4, 4)
    """
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
