"""The beginning of a source's files in memory, and ways to read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from textclf.common.secrets import first_line
from textclf.config import Source
from textclf.errors import InputError, UsageError

EXPECTED = "records with a text and a label: tsv, csv, jsonl, lines that begin with a label, Parquet or Delta"
_HEAD = 256 << 10  # bytes used to detect a file's dialect
ROWS = 20_000  # rows used to detect the columns

Asked = Mapping[str, Any]
"""Keys of ``[[sources]]`` that the user has given."""


class NotLabelledError(InputError):
    """Data without labelled texts that could be detected."""


@dataclass(frozen=True)
class Reading:
    """A way to read a source.

    Attributes:
        keys: Keys of ``[[sources]]`` except name, path and labels.
        notes: Notes for the reader of the pipeline file.
        no_labels: Values of the label column that are not labels, such as a header that recurs within a file.
        doubt: Why the user must confirm this reading even if it is the only one.
        otherwise: Reading to try if ingest refuses this one.
    """

    keys: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    no_labels: frozenset[str] = frozenset()
    doubt: str | None = None
    otherwise: "Reading | None" = None

    def source(self, labels: Sequence[str] | None = None) -> Source:
        """Return a source with these keys.

        Raises:
            NotLabelledError: The keys are invalid: a name that is not Unicode, or characters that the encoding lacks.
        """
        try:
            return Source(name="sample", path="sample", labels=None if labels is None else list(labels), **self.keys)
        except ValueError as error:
            raise unlike("It", f"keys that a source cannot have: {first_line(error)}") from error


@dataclass(frozen=True)
class Sample:
    """The first bytes of files of one form: for each file its name, its bytes and whether they are all of it."""

    files: tuple[tuple[str, bytes, bool], ...] = field(repr=False)

    @cached_property
    def data(self) -> bytes:
        """All bytes, with a line feed at the end of each file."""
        parts = [data.removeprefix(b"\xef\xbb\xbf") for _, data, _ in self.files]
        return b"".join(part if part.endswith(b"\n") or not part else part + b"\n" for part in parts)

    @property
    def whole(self) -> bool:
        """Whether the sample holds the files completely."""
        return all(whole for _, _, whole in self.files)

    @cached_property
    def head(self) -> bytes:
        """The first lines of the first file that is not blank."""
        data = next((data for _, data, _ in self.files if data.strip()), b"")
        return data if len(data) <= _HEAD else data[: data.rfind(b"\n", 0, _HEAD) + 1] or data

    def lines(self, encoding: str) -> list[str]:
        """Return the lines that are not blank, without their ends; only a line feed ends a line."""
        text = self.data.decode(encoding, errors="replace")
        return [line for line in (line.removesuffix("\r") for line in text.split("\n")) if line.strip()]


def unlike(place: Path | str, received: str) -> NotLabelledError:
    """Return the error for a path without labelled texts."""
    return NotLabelledError(
        f"{place} does not look like labelled texts.",
        received=received,
        expected=EXPECTED,
        fix="write the [[sources]] section by hand: docs/manual/pipeline-file.md lists its keys",
    )


def thinned(rows: Sequence[Any], most: int = ROWS) -> Sequence[Any]:
    """Return at most ``most`` rows from the whole range, because files may be sorted by label."""
    if len(rows) <= most:
        return rows
    return [row for at, row in enumerate(rows) if rank(at) * len(rows) < most][:most]


def rank(at: int) -> float:
    """Return a pseudorandom number below 1 for a row's position; the rows with the smallest numbers are kept.

    The rows kept are not evenly spaced. Labels may alternate, and then every second row would have the same label.
    """
    return (at * 2_654_435_761 & 0xFFFF_FFFF) / (1 << 32)  # multiplicative hashing with the golden ratio


_KEYS = {
    "format": str, "text": str, "label": str, "encoding": str, "delimiter": str, "escape": str, "quoting": bool,
    "header": bool, "columns": list,
}  # fmt: skip
_SIGNS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_ANSWERS = {"true": True, "false": False, "yes": True, "no": False}
_AS_WORDS = {None: "none", True: "true", False: "false", "\t": "tab"}


def parse_asked(words: Sequence[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` arguments into keys of ``[[sources]]``.

    Raises:
        UsageError: An argument is not of this form, or its key or value is unknown.

    Example:
        >>> parse_asked(["delimiter=tab", "header=true", "columns=label,text"])
        {'delimiter': '\\t', 'header': True, 'columns': ['label', 'text']}
    """
    found: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        kind = _KEYS.get(key)
        answer = _ANSWERS.get(value.lower())
        if not sign or kind is None or (kind is bool and answer is None):
            expected = "true or false" if sign and kind is bool else f"KEY=VALUE with a key of: {', '.join(_KEYS)}"
            raise UsageError("The argument of --set is invalid.", received=word, expected=expected)
        if kind is bool:
            found[key] = answer
        elif key == "escape" and value in ("", "none"):
            found[key] = None
        elif kind is list:
            found[key] = value.split(",")
        else:
            found[key] = _SIGNS.get(value, value) if key == "delimiter" else value
    _check(found, words)
    return found


def _check(asked: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuse values that a source cannot have."""
    from pydantic import ValidationError

    # Checked as CSV, because other formats have fewer keys.
    keys = {key: asked[key] for key in ("encoding", "delimiter", "escape") if key in asked}
    tries = [{"format": "csv", "columns": ["text", "label"], **keys}]
    if asked.get("format") not in (None, "csv", "tsv", "text"):
        tries.append({"format": asked["format"]})
    try:
        for each in tries:
            Source.model_validate({"name": "sample", "path": "sample", **each})
    except ValidationError as error:
        said = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        raise UsageError("A value of --set is invalid.", received=" ".join(words), expected=said) from error


def as_asked(keys: Mapping[str, Any]) -> str:
    """Format keys as arguments of ``--set``, for messages."""
    import shlex

    words = []
    for key, value in keys.items():
        text = ",".join(value) if isinstance(value, list) else _AS_WORDS.get(value, value)
        words.append("--set " + shlex.quote(f"{key}={text}"))
    return " ".join(words)
