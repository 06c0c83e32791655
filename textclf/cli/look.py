"""A look at labelled data of unknown form: how its records are read, and which labels they have."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textclf.cli.columns import Column, choose_label, choose_text, looks_like_header
from textclf.errors import InputError

LOOKED_AT = 16 << 20  # bytes of a file
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_DELIMITERS = ("\t", ",", ";", "|")
_SAME = 0.98  # share of the records that must have the form of the others
EXPECTED = "records with a text and a label: tsv, csv, jsonl, lines with a label in front, Parquet or Delta"
_FEW_LABELS = 20  # more are not listed in a pipeline file
# A label before the text: fastText's files; TREC's coarse and fine class; a word and a colon.
PATTERNS = (
    r"__label__(?P<label>\S+)\s+(?P<text>.*)",
    r"(?P<label>[A-Z]+):\S+ (?P<text>.*)",
    r"(?P<label>\w+):\s+(?P<text>.*)",
)


@dataclass(frozen=True)
class Look:
    """What a look at a source found.

    Attributes:
        keys: Of ``[[sources]]`` beside name, path and labels.
        rows: Labelled texts among the records looked at; the labels and texts are theirs.
        refused: Other records.
        whole: All of the source was looked at.
        notes: What a reader of the pipeline file should know.
    """

    keys: dict[str, Any]
    texts: Sequence[str] = field(repr=False)
    labels: Counter[str]
    refused: int = 0
    whole: bool = True
    notes: tuple[str, ...] = ()

    @property
    def label_set(self) -> list[str] | None:
        """All labels, where all were seen and they are few."""
        return sorted(self.labels) if self.whole and len(self.labels) <= _FEW_LABELS else None


class NotLabelledError(InputError):
    """Data in which no text with a label can be found."""


def look_at_files(paths: Sequence[Path]) -> Look:
    """Look at text files of one form, the first of them closely.

    Raises:
        NotLabelledError: No form of records fits, or no column is a label.
    """
    data, whole = b"", True
    for path in paths:
        with path.open("rb") as file:
            data += file.read(max(LOOKED_AT - len(data), 0))
            whole = whole and not file.read(1)
        if data and not data.endswith(b"\n"):
            data += b"\n"
    if not data.strip():
        raise _unlike(paths[0], "an empty file")
    if not whole:
        data = data[: data.rfind(b"\n") + 1]  # the last record is cut
    encoding = _encoding(paths[0], data)
    text = data.decode(encoding)
    notes = ["begins with a byte order mark, which stays in the first record"] if text.startswith("\ufeff") else []
    found = _jsonl(text) or _delimited(text) or _patterned(text)
    if found is None:
        raise _unlike(paths[0], f"records as {text.partition(chr(10))[0][:80]!r}")
    keys, pairs, refused = found
    if encoding != "utf-8":
        keys["encoding"] = encoding
    return make(keys, pairs, refused, whole=whole, notes=tuple(notes), place=paths[0])


def make(
    keys: dict[str, Any],
    pairs: Sequence[tuple[str | None, str | None]],
    refused: int,
    *,
    whole: bool,
    place: Path,
    notes: tuple[str, ...] = (),
) -> Look:
    """A look from texts with labels; pairs without either are refused records.

    Raises:
        NotLabelledError: Fewer than two labels.
    """
    kept = [(text, label.strip()) for text, label in pairs if text and text.strip() and label and label.strip()]
    labels = Counter(label for _, label in kept)
    if len(labels) < 2:
        raise _unlike(place, f"{len(labels)} different labels")
    return Look(keys, [text for text, _ in kept], labels, refused + len(pairs) - len(kept), whole, notes)


def _unlike(path: Path, received: str) -> NotLabelledError:
    return NotLabelledError(
        f"{path} does not look like labelled texts.",
        received=received,
        expected=EXPECTED,
        fix="write the [[sources]] section by hand: README.md lists its keys",
    )


def _encoding(path: Path, data: bytes) -> str:
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            raise _unlike(path, f"text in {name}; convert it first: iconv -f {name.lower()} -t utf-8")
    if b"\0" in data[:4096]:
        raise _unlike(path, "a binary file")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # Windows' characters are where latin-1 has control characters, which no text uses.
        windows = any(0x80 <= byte < 0xA0 for byte in set(data))
        try:
            data.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
        return "cp1252" if windows else "latin-1"
    return "utf-8"


Found = tuple[dict[str, Any], list[tuple[str | None, str | None]], int] | None


def lines(text: str) -> list[str]:
    """The lines of a text without their ends; a line feed alone ends one, and blank ones are left out."""
    return [line for line in (line.removesuffix("\r") for line in text.split("\n")) if line.strip()]


def _jsonl(text: str) -> Found:
    records = lines(text)
    if not records[0].lstrip().startswith("{"):
        return None
    values = [value for value in map(_object, records) if value is not None]
    names = [name for name, _ in Counter(name for value in values for name in value).most_common()]
    columns = [Column(name, [_scalar(value.get(name)) for value in values]) for name in names]
    chosen = choose(columns)
    if chosen is None or len(values) < _SAME * len(records):
        return None
    at_text, at_label = chosen
    keys = {"format": "jsonl", "text": names[at_text], "label": names[at_label]}
    pairs = list(zip(columns[at_text].values, columns[at_label].values, strict=True))
    return keys, pairs, len(records) - len(values)


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _scalar(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


def choose(columns: Sequence[Column]) -> tuple[int, int] | None:
    """Numbers of the text's and the label's column, None where there are no such."""
    text = choose_text(columns)
    label = None if text is None else choose_label(columns, text)
    return None if text is None or label is None else (text, label)


def _delimited(text: str) -> Found:
    best: tuple[float, bool, Any] | None = None
    for form in _forms(text):
        # Of two forms that fit alike the one without quoting is the simpler, and the first delimiter the rarer in text.
        if best is None or form[0] > best[0] + 1e-9:
            best = form
    if best is None or best[0] < _SAME:
        return None
    _, quoting, (delimiter, width, records) = best
    fitting = [record for record in records if len(record) == width]
    header = looks_like_header(fitting[0], fitting[1:])
    names = [name.strip() for name in fitting[0]] if header else [None] * width
    body = fitting[1:] if header else fitting
    columns = [Column(name, [record[at] for record in body]) for at, name in enumerate(names)]
    chosen = choose(columns)
    if chosen is None:
        return None
    keys = _delimited_keys(delimiter, quoting, fitting[0] if header else None, chosen, width)
    pairs: list[tuple[str | None, str | None]] = [(record[chosen[0]], record[chosen[1]]) for record in body]
    return keys, pairs, len(records) - len(fitting)


def _forms(text: str) -> Iterator[tuple[float, bool, tuple[str, int, list[list[str]]]]]:
    """Share of the records with as many fields as most, quoting, and delimiter, fields and records, of each form."""
    csv.field_size_limit(max(csv.field_size_limit(), LOOKED_AT))  # its own is below what ingest takes
    for delimiter in _DELIMITERS:
        plain = [line.split(delimiter) for line in lines(text)]
        quoted = [record for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if record]
        for quoting, records in ((False, plain), (True, quoted)):
            width, count = Counter(map(len, records)).most_common(1)[0]
            if width < 2 or (quoting and '"' not in text):
                continue
            share = count / len(records)
            if not quoting and _wrapped(text, delimiter, records):
                share -= 0.5  # the quotes would stay in the texts
            yield share, quoting, (delimiter, width, records)


def _wrapped(text: str, delimiter: str, plain: Sequence[Sequence[str]]) -> bool:
    """Whether quotes are around fields, and not of speech: many fields begin with one, and all close as in CSV."""
    opened = sum(any(value.startswith('"') for value in record) for record in plain)
    if opened < 0.2 * len(plain):
        return False
    try:
        return all(
            record is not None for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        )
    except csv.Error:
        return False


def _delimited_keys(
    delimiter: str, quoting: bool, header: Sequence[str] | None, chosen: tuple[int, int], width: int
) -> dict[str, Any]:
    form = "tsv" if delimiter == "\t" else "csv"
    keys: dict[str, Any] = {"format": form}
    if header is None:
        names = [f"unused{at + 1}" for at in range(width)]
        names[chosen[0]], names[chosen[1]] = "text", "label"
        keys["columns"] = names
    else:
        keys |= {"header": True, "text": header[chosen[0]].strip(), "label": header[chosen[1]].strip()}
    if delimiter not in "\t,":
        keys["delimiter"] = delimiter
    if quoting != (form == "csv"):
        keys["quoting"] = quoting
    return keys


def _patterned(text: str) -> Found:
    records = lines(text)
    for pattern in PATTERNS:
        found = [match for match in map(re.compile(pattern).fullmatch, records) if match]
        labels = {match["label"] for match in found}
        if len(found) >= _SAME * len(records) and 2 <= len(labels) <= max(len(found) / 3, 2):
            pairs: list[tuple[str | None, str | None]] = [(match["text"], match["label"]) for match in found]
            return {"format": "text", "pattern": pattern}, pairs, len(records) - len(found)
    return None
