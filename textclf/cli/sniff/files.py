"""Inspect labelled files of unknown form: how to read their records, and which labels they have."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textclf.cli.sniff.delimited import delimited_readings
from textclf.cli.sniff.encodings import Encoding, encodings
from textclf.cli.sniff.json_lines import is_json, json_readings
from textclf.cli.sniff.sample import Asked, NotLabelledError, Reading, Sample, as_asked, unlike
from textclf.corpus.lines.signatures import refusal
from textclf.corpus.local.files import SPARKS_ALONE, chunks, describe, is_plain
from textclf.corpus.local.preview import LOOKED_AT, Preview, counts, preview_sample
from textclf.errors import InputError, UsageError
from textclf.formats.jsonl import JSON_ARRAY

__all__ = ["Look", "NotLabelledError", "UnsureError", "look_at_files", "looked", "one_of"]

_LEAST = 0.5  # share of the records that must be accepted
_TOLD = 0.02  # share of the records that may be rejected without a note on standard error
_PATTERN_LEAST = 0.9  # share of the lines that must match a pattern
_AS_GOOD = 0.98  # share of the best reading's accepted records from which another reading is as good
_FEW_LABELS = 20  # longer lists of labels are not written into a pipeline file
_NO_LABELS = ("nan", "null", "<na>", "n/a", "\\n")
# Lines with the label first: fastText's format; TREC's coarse and fine class; a word and a colon.
PATTERNS = (
    r"__label__(?P<label>\S+)\s+(?P<text>.*)",
    r"(?P<label>[A-Z]+):\S+ (?P<text>.*)",
    r"(?P<label>\w+):\s+(?P<text>.*)",
)


@dataclass(frozen=True)
class Look:
    """The result of inspecting a source.

    Attributes:
        keys: Keys of ``[[sources]]`` except name, path and labels.
        texts: Texts of the accepted records among those inspected.
        labels: Counts of the labels of these records.
        whole: Whether the whole source was inspected.
        notes: Notes for the reader of the pipeline file.
        rejects: Counts of the rejected records, by reason.
        doubt: Why the user must confirm this reading; None if it is beyond doubt.
    """

    keys: Mapping[str, Any]
    texts: Sequence[str] = field(repr=False)
    labels: Counter[str]
    whole: bool = True
    notes: tuple[str, ...] = ()
    rejects: Counter[str] = field(default_factory=Counter)
    doubt: str | None = None

    @property
    def label_set(self) -> list[str] | None:
        """All labels, if the whole source was inspected and they are few; otherwise None."""
        return sorted(self.labels) if self.whole and len(self.labels) <= _FEW_LABELS else None

    @property
    def refused(self) -> int:
        """Number of rejected records."""
        return self.rejects.total()

    @property
    def quoted(self) -> bool:
        """Whether fields may be within quotes."""
        return Reading(self.keys).source().quoted

    @property
    def counted(self) -> str:
        """Summary of what ingest would read."""
        return counts(Preview(len(self.texts), self.rejects, self.labels))


class UnsureError(UsageError):
    """Data that can be read in several equally good ways, or in one that may be wrong."""

    def __init__(self, place: Path, options: Sequence[Look]) -> None:
        self.place, self.options = place, options
        doubt = next((each.doubt for each in options if each.doubt), None)
        super().__init__(
            f"{place} can be read in {len(options)} ways, and nothing in it says which is right."
            if doubt is None
            else f"{place} can be read, but perhaps not as intended.",
            received="\n    ".join((*([doubt] if doubt else ()), *self.shown())),
            expected="an answer at a terminal or on the command line",
            fix=f"choose one, for example: {self.answers()[0]}",
        )

    def answers(self) -> list[str]:
        """Return the command-line arguments that choose each option."""
        first = dict(self.options[0].keys)
        differing = [
            key
            for key in dict.fromkeys(key for each in self.options for key in each.keys)
            if any(each.keys.get(key) != first.get(key) for each in self.options)
        ]
        answers = []
        for option in self.options:
            keys = {key: option.keys.get(key, _UNSAID.get(key)) for key in differing}
            keys = keys or {"quoting": option.quoted}
            answers.append(as_asked({key: each for key, each in keys.items() if each is not None or key == "escape"}))
        return answers

    def shown(self) -> list[str]:
        """Describe each option and what it would read."""
        shown = []
        for number, (option, answer) in enumerate(zip(self.options, self.answers(), strict=True), start=1):
            text, label = (_cut(option.texts[0]), next(iter(option.labels)))
            shown.append(f"{number}. {answer}: {option.counted}; a text: {text!r}, a label: {_cut(label)!r}")
        return shown


_UNSAID = {"header": False, "quoting": None}


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def look_at_files(paths: Sequence[Path], asked: Asked | None = None) -> Look:
    """Inspect text files of one form.

    Args:
        paths: Files to inspect.
        asked: Keys of ``[[sources]]`` that the user has given.

    Raises:
        NotLabelledError: No form of records fits, or no column is a label.
        UnsureError: Several forms fit equally well, or the best one may be wrong.
    """
    asked = asked or {}
    sample = _sample(paths)
    place = paths[0]
    found = [Encoding(asked["encoding"])] if "encoding" in asked else encodings(sample.data)
    readings, why = [], None
    for each in found:
        try:
            readings += [(made, each.notes) for made in _readings(sample, each.name, asked, place)]
        except NotLabelledError as error:
            why = why or error
    if not readings:
        raise why or unlike(place, f"records as {sample.lines(found[0].name)[0][:80]!r}")
    looks = []
    for made, notes in readings:
        try:
            looks.append(_look(sample, made, notes, place))
        except NotLabelledError as error:
            why = why or error
    if not looks and why is not None:
        raise why
    return one_of(place, looks)


def _readings(sample: Sample, encoding: str, asked: Asked, place: Path) -> list[Reading]:
    lines = sample.lines(encoding)
    if not lines:
        raise unlike(place, "only blanks")
    form = asked.get("format")
    if form == "jsonl" or (form is None and is_json(lines)):
        return json_readings(sample, encoding, asked, place)
    labelled = _patterned(lines, encoding, PATTERNS[:1]) if form in (None, "text") else []
    if labelled or form == "text":
        return labelled or _patterned(lines, encoding, PATTERNS)
    return delimited_readings(sample, encoding, asked) or (
        _patterned(lines, encoding, PATTERNS) if form is None else []
    )


def _patterned(lines: Sequence[str], encoding: str, patterns: Sequence[str]) -> list[Reading]:
    for pattern in patterns:
        found = [match for match in map(re.compile(pattern).fullmatch, lines) if match]
        labels = {match["label"] for match in found}
        if len(found) >= _PATTERN_LEAST * len(lines) and 2 <= len(labels) <= max(len(found) / 3, 2):
            keys = {"format": "text", "pattern": pattern}
            return [Reading(keys | ({} if encoding == "utf-8" else {"encoding": encoding}))]
    return []


def _sample(paths: Sequence[Path]) -> Sample:
    """Read the first bytes of files.

    Raises:
        NotLabelledError: The files hold no lines of text.
    """
    files, left = [], LOOKED_AT
    for path in paths:
        if path.name.endswith(SPARKS_ALONE):
            raise unlike(path, f"a compressed file that only Spark reads ({path.suffix}): decompress it first")
        data = b""
        if left and is_plain(path):
            for chunk in chunks(path, left + 1):
                data += chunk
                if len(data) > left:
                    break
        whole = len(data) <= left and (left > 0 or not is_plain(path))
        data = data[:left] if whole else data[: data.rfind(b"\n", 0, left) + 1] or data[:left]
        files.append((path.name, data, whole))
        left -= len(data) if whole else left
    sample = Sample(tuple(files))
    if not sample.data.strip():
        raise unlike(paths[0], "an empty file" if is_plain(paths[0]) else describe(paths[0]))
    for path, (_, data, _) in zip(paths, files, strict=True):
        _check(path, data)
    return sample


def _check(path: Path, data: bytes) -> None:
    """Refuse files that are not lines of text: Parquet, archives, UTF-16, a JSON array."""
    source = Reading({"format": "jsonl"}).source()
    head, _, more = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").partition(b"\n")
    why = refusal(source, head, alone=not more.strip())
    if why is None and b"\0" in data[:4096]:
        why = "a binary file"
    if why is not None and path.suffix in (".xlsx", ".ods", ".docx"):
        why = "an office document: save it as CSV in UTF-8"
    if why is not None and (why != JSON_ARRAY or _is_array(head, more)):
        raise unlike(path, why)


def _is_array(head: bytes, more: bytes) -> bool:
    """Return whether a file that begins with a bracket is a JSON array of objects, not text in brackets."""
    rest = (head.lstrip()[1:] + b"\n" + more).lstrip()
    return rest.startswith((b"{", b"]")) or not rest


def _look(sample: Sample, reading: Reading, notes: tuple[str, ...], place: Path) -> Look:
    """Preview a sample with ingest's readers in one way of reading it.

    Raises:
        NotLabelledError: The readers refuse it.
    """
    try:
        found = preview_sample(reading.source(), sample.files)
        kept = sorted(set(found.labels) - reading.no_labels)
        if len(kept) < len(found.labels) and sample.whole and 2 <= len(kept) <= _FEW_LABELS:
            found = preview_sample(reading.source(kept), sample.files)
    except InputError as error:
        if reading.otherwise is not None:
            return _look(sample, reading.otherwise, notes, place)
        raise unlike(place, f"{error.problem} {error.received}") from error
    return looked(reading, found, notes)


def looked(reading: Reading, found: Preview, notes: tuple[str, ...] = ()) -> Look:
    """Return the result of inspecting a source from its preview."""
    texts = [text for text, _ in found.pairs or ()]
    said = [*notes, *reading.notes]
    if found.rejected > _TOLD * found.records:
        said.append(f"{found.rejected:,} of {found.records:,} records would be rejected: {found.why}")
    said += [f"the label {label} may stand for no label" for label in found.labels if label.casefold() in _NO_LABELS]
    return Look(reading.keys, texts, found.labels, found.whole, tuple(said), found.rejects, reading.doubt)


def one_of(place: Path, looks: Sequence[Look]) -> Look:
    """Return the result that accepts the most records.

    Raises:
        NotLabelledError: No result has two labels and at least half of the records accepted.
        UnsureError: Several accept equally many but different records, or the best one may be wrong.
    """
    usable = [each for each in looks if len(each.labels) > 1 and len(each.texts) >= _LEAST * _records(each)]
    if not usable:
        nearest = max(looks, key=lambda each: (len(each.labels), len(each.texts)))
        part = "" if nearest.whole else "at its beginning "
        raise unlike(place, f"{len(nearest.labels)} different labels: {part}{nearest.counted}")
    most = max(len(each.texts) for each in usable)
    best: list[Look] = []
    for each in usable:
        if len(each.texts) >= _AS_GOOD * most - 1 and not any(_same(each, other) for other in best):
            best.append(each)
    if len(best) > 1 or best[0].doubt is not None:
        raise UnsureError(place, best)
    return best[0]


def _records(look: Look) -> int:
    return len(look.texts) + look.refused


def _same(one: Look, other: Look) -> bool:
    return one.texts == other.texts and one.labels == other.labels
