"""Files of fields of unknown origin: what stands between the fields, how they are quoted, and which is what."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from textclf.cli.sniff.columns import Choice, Column, choices
from textclf.cli.sniff.headers import header_readings
from textclf.cli.sniff.sample import Asked, Reading, Sample, thinned
from textclf.cli.sniff.tally import NULL, Tally
from textclf.config import Source
from textclf.corpus.local.reader import read_fields

_DELIMITERS = ("\t", ",", ";", "|", "\x01", "\x1f")  # the last two are of Hive, and of ASCII
_LEAST = 0.6  # share of the bytes that must be in records of as many fields as most
_NEAR = 0.05  # of the best share, where the beginning alone has been looked at
_EQUAL = 1e-3
_MANY_WRAPPED = 0.2
_EXCELS = re.compile(rb"sep=.?\r?")  # a first line that tells Excel the delimiter
_NOT_FIRST = "a line names its columns that ingest_corpus cannot take for a header, and will refuse"


@dataclass(frozen=True)
class Dialect:
    """How fields are written.

    Attributes:
        width: Fields that most of the sample's bytes are in records of; 0 where it has not been looked at.
        share: Of its bytes that those are.
        tally: Of those records.
    """

    delimiter: str
    quoting: bool
    escape: str | None
    width: int = 0
    share: float = 0.0
    tally: Tally = field(default_factory=Tally, repr=False)

    @property
    def order(self) -> tuple[Any, ...]:
        """Which of two that read as much is the more likely; smaller is."""
        # More fields: of a decimal comma in each record there are two.
        return (
            self.delimiter != "\t",
            -self.width,
            _DELIMITERS.index(self.delimiter) if self.delimiter in _DELIMITERS else 0,
        )

    def keys(self) -> dict[str, Any]:
        """Keys of ``[[sources]]``."""
        form = "tsv" if self.delimiter == "\t" else "csv"
        made: dict[str, Any] = {"format": form}
        if self.delimiter not in "\t,":
            made["delimiter"] = self.delimiter
        if self.quoting != (form == "csv"):
            made["quoting"] = self.quoting
        if self.escape is not None:
            made["escape"] = self.escape
        return made


def delimited_readings(sample: Sample, encoding: str, asked: Asked) -> list[Reading]:
    """The ways to read a file of fields that are as good as each other; none where it is no such file."""
    near: list[Dialect] = []
    for dialect in _dialects(sample.data, asked):
        if not _is_possible(dialect, encoding):
            continue
        found = _fitted(dialect, sample.head, encoding)
        if found.share >= _LEAST and found.width >= 2:
            near.append(found)
    best = max((each.share for each in near), default=0.0)
    near = [_fitted(each, sample.data, encoding) for each in near if each.share >= best - _NEAR]
    best = max((each.share for each in near), default=0.0)
    near = [each for each in near if each.share >= best - _EQUAL and each.width >= 2]
    for dialects in _by_delimiter(near):
        taken, notes = _quoted_or_not(dialects)
        readings = [made for each in taken for made in _readings(each, sample, encoding, asked)]
        if readings:
            return [replace(each, notes=(*each.notes, *notes)) for each in readings]
    return []


def _dialects(data: bytes, asked: Asked) -> Iterator[Dialect]:
    escape = asked.get("escape")
    for delimiter in [asked["delimiter"]] if "delimiter" in asked else _DELIMITERS:
        if asked.get("format") in ("tsv", "csv") and (asked["format"] == "tsv") != (delimiter == "\t"):
            continue
        if delimiter.encode(errors="replace") not in data:
            continue
        forms: list[tuple[bool, str | None]] = [(False, None)]
        if b'"' in data:
            forms += [(True, None), *([(True, "\\")] if b"\\" in data else [])]
        if escape is not None:
            forms.append((True, escape))
        for quoting, sign in dict.fromkeys(forms):
            if asked.get("quoting", quoting) == quoting and asked.get("escape", sign) == sign:
                yield Dialect(delimiter, quoting, sign)
        if asked.get("quoting") and b'"' not in data:
            yield Dialect(delimiter, True, escape)


def _source(dialect: Dialect, encoding: str) -> Source:
    return Source(name="sample", path="sample", columns=["text", "label"], encoding=encoding, **dialect.keys())


def _is_possible(dialect: Dialect, encoding: str) -> bool:
    """Whether a source may be so: within quotes no sign may be a part of other characters, as in Shift_JIS."""
    try:
        _source(dialect, encoding)
    except ValueError:
        return False
    return True


def _fitted(dialect: Dialect, data: bytes, encoding: str) -> Dialect:
    """The dialect with what it makes of data."""
    sizes, tally = _counted(dialect, data, encoding)
    total = sum(sizes.values())
    sizes[0] = 0
    width, size = sizes.most_common(1)[0]
    if not size:
        return dialect
    if width != dialect.width:  # as of a beginning that is not as the rest
        dialect = replace(dialect, width=width)
        _, tally = _counted(dialect, data, encoding)
    return replace(dialect, share=size / total, tally=tally)


def _counted(dialect: Dialect, data: bytes, encoding: str) -> tuple[Counter[int], Tally]:
    """Bytes in records by their number of fields, 0 for none; and the records of the dialect's width."""
    sizes: Counter[int] = Counter()
    tally = Tally(dialect.delimiter)
    for raw, fields in read_fields(_source(dialect, encoding), data):
        if raw.strip() and not _EXCELS.fullmatch(raw):
            sizes[0 if fields is None else len(fields)] += len(raw) + 1
            if fields is not None and len(fields) == dialect.width:
                tally.add(fields, raw)
    return sizes, tally


def _by_delimiter(dialects: Sequence[Dialect]) -> list[list[Dialect]]:
    groups: dict[str, list[Dialect]] = {}
    for each in sorted(dialects, key=lambda each: each.order):
        groups.setdefault(each.delimiter, []).append(each)
    return list(groups.values())


def _quoted_or_not(dialects: Sequence[Dialect]) -> tuple[list[Dialect], tuple[str, ...]]:
    """Which of the dialects of one delimiter that read as much is meant; two where nothing tells."""
    by_form = {(each.quoting, each.escape): each for each in dialects}
    plain, quoted = by_form.get((False, None)), by_form.get((True, None))
    escaped = next((each for (_, sign), each in by_form.items() if sign is not None), None)
    if escaped is not None and (quoted is None or not quoted.tally.is_same(escaped.tally)):
        if quoted is None:
            return [escaped], ()
        # Quotes doubled as RFC 4180 has it: then a backslash is one.
        if not quoted.tally.quotes:
            return [quoted, escaped], ()
    if plain is None or quoted is None:
        return [each for each in (quoted, plain) if each is not None][:1], ()
    if plain.tally.is_same(quoted.tally):
        return [plain], ()
    needed = quoted.tally.quotes or quoted.tally.delimiters or quoted.tally.breaks
    wrapped = plain.tally.wrapped
    if needed or quoted.delimiter in ",;" or wrapped >= _MANY_WRAPPED * plain.tally.count:
        return [quoted], ()
    return [plain], (f"{wrapped:,} records have fields within quotes, which stay: quoting = true takes them off",)


def _readings(dialect: Dialect, sample: Sample, encoding: str, asked: Asked) -> Iterator[Reading]:
    rows = dialect.tally.rows
    first, body = rows[0], thinned(rows[1:])
    forced = [asked["header"]] if "header" in asked else [False] if "columns" in asked else header_readings(first, body)
    common = dialect.keys() | ({} if encoding == "utf-8" else {"encoding": encoding})
    told = "quoting" in asked or "escape" in asked
    for header in forced:
        names: list[str | None] = list(first) if header else [None] * dialect.width
        shown = body if header else [first, *body]
        usable = [name is None or (name.strip() != "" and names.count(name) == 1) for name in names]
        columns = [Column(name, [row[at] for row in shown] if usable[at] else []) for at, name in enumerate(names)]
        again = header and list(first) in list(map(list, body))
        for choice in _chosen(columns, asked):
            wrong = {NULL} | ({first[choice.label].strip()} if again else set())
            notes = choice.notes + (("its header stands in it again",) if again else ())
            doubt = None if told else _doubt(sample, dialect, encoding, choice)
            bare = Reading(
                common | _column_keys(None, choice, dialect.width),
                (*notes, *((_NOT_FIRST,) if header else ())),
                frozenset(wrong | {first[choice.label].strip()}) if header else frozenset(wrong),
                doubt,
            )
            keys = common | _column_keys(first, choice, dialect.width)
            yield Reading(keys, notes, frozenset(wrong), doubt, bare) if header else bare


def _chosen(columns: Sequence[Column], asked: Asked) -> list[Choice]:
    given = asked.get("columns")
    if given is None:
        return choices(columns, asked)
    wanted = asked.get("text", "text"), asked.get("label", "label")
    if len(given) != len(columns) or any(given.count(name) != 1 for name in wanted):
        return []
    return [Choice(given.index(wanted[0]), given.index(wanted[1]))]


def _column_keys(header: Sequence[str] | None, choice: Choice, width: int) -> dict[str, Any]:
    if header is not None:
        return {"header": True, "text": header[choice.text], "label": header[choice.label]}
    names = [f"unused{at + 1}" for at in range(width)]
    names[choice.text], names[choice.label] = "text", "label"
    return {"columns": names}


def _doubt(sample: Sample, dialect: Dialect, encoding: str, choice: Choice) -> str | None:
    """What tells that quotes or backslashes mean more than the reading makes of them, as in MySQL's files."""
    for sign in "\"'" if not dialect.quoting else "'":
        around = dialect.tally.within[sign, choice.label]
        if around > _MANY_WRAPPED * dialect.tally.count:
            fix = 'fields are "quoted", and no blank stands before a quote'
            return (
                f"{around:,} labels are within {sign}, which would stay, since this is no CSV as ingest has it: {fix}"
            )
    nulls = dialect.tally.nulls[choice.text]
    counts = [(nulls, f"null for a text, {NULL}")]
    if not dialect.quoting:
        data = sample.data.decode(encoding, errors="replace")
        counts.append((_odd(data, dialect.delimiter) + _odd(data, "\n"), "delimiters or line ends after a backslash"))
        counts.append((_escapes(data), "escapes such as \\t, \\n and \\\\"))
    elif dialect.escape is not None:
        counts.append((_outside(sample.lines(encoding), dialect), "escapes in fields without quotes"))
    signs = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    if not signs:
        return None
    return (
        f"backslashes seem to escape outside of quotes ({signs}), which no reading undoes: write quotes around fields, "
        "and no nulls (MySQL: FIELDS TERMINATED BY ',' ENCLOSED BY '\"'; PostgreSQL: CSV)"
    )


def _outside(lines: Sequence[str], dialect: Dialect) -> int:
    """In how many lines a backslash escapes itself or a quote though no quote is open, as Python's csv writes them."""
    begins = re.compile(rf'(?:^|{re.escape(dialect.delimiter)})\\"')
    return sum("\\\\" in line if '"' not in line else begins.search(line) is not None for line in lines)


def _escapes(text: str) -> int:
    """How many backslashes begin an escape, where all do; 0 where some do not, and are just backslashes."""
    escapes = re.findall(r"\\[tnr0b\\N\t\n]", text)
    return len(escapes) if escapes and "\\" not in re.sub(r"\\[tnr0b\\N\t\n]", "", text) else 0


def _odd(text: str, sign: str) -> int:
    """How often an odd number of backslashes stands before a sign."""
    return len(re.findall(r"(?<!\\)(?:\\\\)*\\" + re.escape(sign), text))
