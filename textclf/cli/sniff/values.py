"""Classify the values of a column by their form: times, addresses and the like are not texts."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import groupby

from textclf.formats.number_labels import number_label

_SURE = 0.9  # share of the values that must have a form
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS = "mon|tue|wed|thu|fri|sat|sun"
_ZONE = "utc|gmt|[a-z]{1,2}[ds]t|am|pm|at|t|z|[年月日时時分秒]"
_TIME = re.compile(
    rf"(?=.*\d)(?:(?:{_MONTHS}|{_DAYS})[a-z]*+|{_ZONE}|\d{{1,6}}+(?:st|nd|rd|th)?|[\s,:/.+()-])++", re.IGNORECASE
)  # possessive quantifiers: a value that matches in many ways and fails at its end must not cause backtracking
_LONGEST_TIME = 50
_MADE_OF = re.compile(r"\d+[-/.:年]\d|\d:\d\d|[a-z]{3}.*\d{1,2}.*\d{2}", re.IGNORECASE)
_FROM_ROOT = re.compile(r"(?:/|\.{1,2}/|[A-Za-z]:\\)[^\s].*")
_SUFFIX, _BLANK = re.compile(r"\w{1,5}"), re.compile(r"\s")
_TOKEN = r"(?=\S*\d)[\w.:/#@+=-]+"
_FORMS: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("number", re.compile(r"[+-]?(?=[.,]?\d)[\d.,' ]*(?:[eE][+-]?\d+)?\s?[%€$£]?").fullmatch),
    ("time", lambda value: len(value) <= _LONGEST_TIME and _TIME.fullmatch(value) and _MADE_OF.search(value)),
    ("url", re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE).fullmatch),
    ("email", re.compile(r"(?:[^<>@]*<)?[^\s@<>]+@[^\s@<>]+\.\w+>?").fullmatch),
    ("path", lambda value: _is_path(value)),
    ("phone", re.compile(r"(?=(?:\D*\d){6})[+\d()\s./-]+").fullmatch),
    ("id", re.compile(rf"{_TOKEN}|[0-9a-fA-F]{{8,}}(?:-[0-9a-fA-F]+)*").fullmatch),
    ("address", lambda value: _is_address(value)),
)
NO_LABELS = frozenset({"time", "url", "email", "path", "phone", "address"})
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana and ideographs."""
_CHARACTERS_A_WORD = 3


def kind_of(values: Sequence[str]) -> str | None:
    """Return the form of nearly all values; None if it is not a known one, as with texts.

    Example:
        >>> kind_of(["2026-01-05 10:00", "Tue Jan 6 2026"]), kind_of(["good food", "at 10 it closed"])
        ('time', None)
    """
    shown = [value.strip() for value in values[:: max(len(values) // 500, 1)]]
    for name, has_form in _FORMS:
        if shown and sum(bool(has_form(value)) for value in shown) >= _SURE * len(shown):
            return name
    return None


def words(text: str) -> float:
    """Estimate the number of words of a text; in scripts without spaces, from the number of characters.

    Example:
        >>> words("good food"), words("服务非常好"), words("12:30")
        (2.0, 1.6666666666666667, 0.0)
    """
    count = 0.0
    for part in text.split():
        for unspaced, group in groupby(part, _is_unspaced):
            characters = list(group)
            if unspaced:
                count += len(characters) / _CHARACTERS_A_WORD
            elif any(map(str.isalpha, characters)):
                count += 1
    return count


def _is_unspaced(character: str) -> bool:
    if character < "\u0e00":
        return False
    code = ord(character)
    return any(first <= code <= last for first, last in _UNSPACED)


def value_text(value: object) -> str | None:
    """Return a value of a table or of JSON as text; a whole number becomes its digits.

    Example:
        >>> value_text(True), value_text(1.0), value_text(0.5), value_text(None)
        ('true', '1', '0.5', None)
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return (number_label(str(value)) if isinstance(value, float | Decimal) else None) or str(value)


def is_number(value: str) -> bool:
    """Return whether Python parses a value as a number."""
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_path(value: str) -> bool:
    """Return whether a value is a file path, absolute or with a folder and a suffix; takes one pass over the value."""
    if _FROM_ROOT.fullmatch(value):
        return True
    stem, _, end = value.rpartition(".")
    return "/" in stem[1:-1] and _SUFFIX.fullmatch(end) is not None and _BLANK.search(value) is None


def _is_address(value: str) -> bool:
    """Return whether a value is a street address: a number, and a capital in each longer word (``12 Main Street``)."""
    parts = re.findall(r"[^\W\d_]{4,}", value)
    has_number = re.search(r"(?:^|\s)\d{1,6}[a-zA-Z]?(?=[\s,]|$)", value) is not None
    return has_number and len(value) <= 120 and bool(parts) and all(part[0].isupper() for part in parts)
