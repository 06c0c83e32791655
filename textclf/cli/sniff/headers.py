"""Detect whether the first record of a file is a header."""

from collections.abc import Sequence

from textclf.cli.sniff.columns import LABEL_NAMES, OTHER_NAMES, TEXT_NAMES, Column, label_candidates, text_candidates
from textclf.cli.sniff.values import is_number, kind_of, words

_KNOWN = frozenset((*TEXT_NAMES, *LABEL_NAMES, *OTHER_NAMES))
_LONGEST = 60  # characters of a name
_MOST_WORDS = 4
_TIMES = 3  # ratio of the words of texts to those of the column's name


def header_readings(first: Sequence[str], rest: Sequence[Sequence[str]]) -> list[bool]:
    """Return whether the first record is a header: one answer, or both if nothing decides.

    A column's name is not among its values. In particular, the name of the label column is not a label. An index
    column may have an empty name.

    Args:
        first: First record.
        rest: Other records, with the same number of fields.
    """
    names = [value.strip() for value in first]
    filled = [name for name in names if name]
    if len(rest) < 2 or len(filled) < 2 or any(map(is_number, filled)) or any(len(name) > _LONGEST for name in filled):
        return [False]
    known = sum(name.casefold() in _KNOWN for name in filled)
    if known == len(filled) and list(first) in list(map(list, rest)):
        return [True]  # the header recurs where files were concatenated
    columns = [Column(None, [row[at].strip() for row in rest]) for at in range(len(names))]
    texts, _ = text_candidates(columns)
    labels = label_candidates(columns, texts[0])[0] if texts else []
    if any(names[at] in columns[at].distinct for at in labels):
        return [False]
    if known >= 2:
        return [True]
    if any(name and name in column.distinct for name, column in zip(names, columns, strict=True)):
        return [False]
    return _by_form(names, columns, texts, labels, known)


def _by_form(
    names: Sequence[str], columns: Sequence[Column], texts: Sequence[int], labels: Sequence[int], known: int
) -> list[bool]:
    """Decide by whether the values have another form than the names."""
    if any(words(name) > _MOST_WORDS for name in names):
        return [False]
    formed = [name and column.kind not in (None, kind_of([name])) for name, column in zip(names, columns, strict=True)]
    if known or any(formed):
        return [True]
    if not labels:
        return [False]
    longer = any(columns[at].words >= _TIMES * words(names[at]) for at in texts)
    return [True] if longer else [True, False]
