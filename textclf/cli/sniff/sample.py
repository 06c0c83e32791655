"""The beginning of a source's files, in memory, and ways to read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from textclf.common.secrets import first_line
from textclf.config import Source
from textclf.errors import InputError, UsageError

EXPECTED = "records with a text and a label: tsv, csv, jsonl, lines with a label in front, Parquet or Delta"
_HEAD = 256 << 10  # bytes that tell how a file is made
ROWS = 20_000  # that tell which columns are what

Asked = Mapping[str, Any]
"""Keys of ``[[sources]]`` that the user has given."""


class NotLabelledError(InputError):
    """Data in which no text with a label can be found."""


@dataclass(frozen=True)
class Reading:
    """A way to read a source.

    Attributes:
        keys: Of ``[[sources]]`` beside name, path and labels.
        notes: What a reader of the pipeline file should know.
        no_labels: Values of the label column that are no labels, as a header's within a file.
        doubt: Why it may not be taken without a question though there is no other.
        otherwise: What to try where ingest refuses this one.
    """

    keys: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    no_labels: frozenset[str] = frozenset()
    doubt: str | None = None
    otherwise: "Reading | None" = None

    def source(self, labels: Sequence[str] | None = None) -> Source:
        """The source that it describes.

        Raises:
            NotLabelledError: No source can be so: a name that is no text, signs that the encoding does not have.
        """
        try:
            return Source(name="sample", path="sample", labels=None if labels is None else list(labels), **self.keys)
        except ValueError as error:
            raise unlike("It", f"what no source can have: {first_line(error)}") from error


@dataclass(frozen=True)
class Sample:
    """The first bytes of files of one form: name, bytes and whether that is all of it, of each."""

    files: tuple[tuple[str, bytes, bool], ...] = field(repr=False)

    @cached_property
    def data(self) -> bytes:
        """All of it, each file ended by a line feed."""
        parts = [data.removeprefix(b"\xef\xbb\xbf") for _, data, _ in self.files]
        return b"".join(part if part.endswith(b"\n") or not part else part + b"\n" for part in parts)

    @property
    def whole(self) -> bool:
        """Whether it is all of the files."""
        return all(whole for _, _, whole in self.files)

    @cached_property
    def head(self) -> bytes:
        """The first lines of the first file that has any."""
        data = next((data for _, data, _ in self.files if data.strip()), b"")
        return data if len(data) <= _HEAD else data[: data.rfind(b"\n", 0, _HEAD) + 1] or data

    def lines(self, encoding: str) -> list[str]:
        """Lines that are not blank, without their ends; a line feed alone ends one."""
        text = self.data.decode(encoding, errors="replace")
        return [line for line in (line.removesuffix("\r") for line in text.split("\n")) if line.strip()]


def unlike(place: Path | str, received: str) -> NotLabelledError:
    """The error for a place without labelled texts."""
    return NotLabelledError(
        f"{place} does not look like labelled texts.",
        received=received,
        expected=EXPECTED,
        fix="write the [[sources]] section by hand: docs/manual/pipeline-file.md lists its keys",
    )


def thinned(rows: Sequence[Any], most: int = ROWS) -> Sequence[Any]:
    """At most so many rows, from all over: files may be sorted by label."""
    if len(rows) <= most:
        return rows
    return [row for at, row in enumerate(rows) if rank(at) * len(rows) < most][:most]


def rank(at: int) -> float:
    """A number below 1 for a place in a file, smallest first to keep: places of a rank are no regular distance apart.

    Labels may take turns: of each second row all would have the same.
    """
    return (at * 2_654_435_761 & 0xFFFF_FFFF) / (1 << 32)  # multiples of the golden ratio leave no period out


_KEYS = {
    "format": str, "text": str, "label": str, "encoding": str, "delimiter": str, "escape": str, "quoting": bool,
    "header": bool, "columns": list,
}  # fmt: skip
_SIGNS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_ANSWERS = {"true": True, "false": False, "yes": True, "no": False}
_AS_WORDS = {None: "none", True: "true", False: "false", "\t": "tab"}


def parse_asked(words: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` words as keys of ``[[sources]]``.

    Raises:
        UsageError: A word is none, or no source has such a key.

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
            raise UsageError("--set cannot be understood.", received=word, expected=expected)
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
    """Refuse values that no source can have."""
    from pydantic import ValidationError

    # As fields of a CSV: other formats know fewer keys.
    keys = {key: asked[key] for key in ("encoding", "delimiter", "escape") if key in asked}
    tries = [{"format": "csv", "columns": ["text", "label"], **keys}]
    if asked.get("format") not in (None, "csv", "tsv", "text"):
        tries.append({"format": asked["format"]})
    try:
        for each in tries:
            Source.model_validate({"name": "sample", "path": "sample", **each})
    except ValidationError as error:
        said = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        raise UsageError("--set asks for what no source can have.", received=" ".join(words), expected=said) from error


def as_asked(keys: Mapping[str, Any]) -> str:
    """Keys as ``--set`` takes them, for messages."""
    import shlex

    words = []
    for key, value in keys.items():
        text = ",".join(value) if isinstance(value, list) else _AS_WORDS.get(value, value)
        words.append("--set " + shlex.quote(f"{key}={text}"))
    return " ".join(words)
