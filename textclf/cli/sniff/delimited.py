"""Detect how a file of fields is written: its delimiter, its quoting, and which field is the text or the label."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from textclf.cli.sniff.columns import Column, ColumnChoice, choices
from textclf.cli.sniff.headers import header_readings
from textclf.cli.sniff.sample import Asked, Reading, Sample, thinned
from textclf.cli.sniff.tally import NULL, Tally
from textclf.config import Source
from textclf.corpus.local.reader import read_fields

_DELIMITERS = ("\t", ",", ";", "|", "\x01", "\x1f")  # the last two: Hive's delimiter and ASCII's unit separator
_LEAST = 0.6  # share of the bytes that must be in records with the most common number of fields
_NEAR = 0.05  # distance from the best share at which a dialect stays, when only the beginning has been read
_EQUAL = 1e-3
_MANY_WRAPPED = 0.2
_EXCELS = re.compile(rb"sep=.?\r?")  # a first line that tells Excel the delimiter
_NOT_FIRST = "a line names the columns, but ingest_corpus cannot read it as a header and will reject it"


@dataclass(frozen=True)
class Dialect:
    """How the fields of a file are written.

    Attributes:
        delimiter: Character between fields.
        quoting: Whether fields may be within quotes.
        escape: Character that escapes a quote; None if there is none.
        width: Number of fields in the records that hold most of the sample's bytes; 0 before a sample is read.
        share: Share of the sample's bytes in those records.
        tally: Tally of those records.
    """

    delimiter: str
    quoting: bool
    escape: str | None
    width: int = 0
    share: float = 0.0
    tally: Tally = field(default_factory=Tally, repr=False)

    @property
    def order(self) -> tuple[Any, ...]:
        """Sort key among dialects that read equally much: the more likely one comes first."""
        # More fields are more likely: a decimal comma in each record would make two.
        return (
            self.delimiter != "\t",
            -self.width,
            _DELIMITERS.index(self.delimiter) if self.delimiter in _DELIMITERS else 0,
        )

    def keys(self) -> dict[str, Any]:
        """Return the keys of ``[[sources]]``."""
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
    """Return the equally good ways to read a file of fields; an empty list if it is not such a file."""
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
    """Return whether a source may have this dialect: in Shift_JIS a quote's byte may be part of another character."""
    try:
        _source(dialect, encoding)
    except ValueError:
        return False
    return True


def _fitted(dialect: Dialect, data: bytes, encoding: str) -> Dialect:
    """Read data with a dialect and return the dialect with its width, share and tally."""
    sizes, tally = _counted(dialect, data, encoding)
    total = sum(sizes.values())
    sizes[0] = 0
    width, size = sizes.most_common(1)[0]
    if not size:
        return dialect
    if width != dialect.width:  # the beginning of the file differs from the rest
        dialect = replace(dialect, width=width)
        _, tally = _counted(dialect, data, encoding)
    return replace(dialect, share=size / total, tally=tally)


def _counted(dialect: Dialect, data: bytes, encoding: str) -> tuple[Counter[int], Tally]:
    """Count bytes by the number of fields of their record (0: no record), and tally records of the dialect's width."""
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
    for each in sorted(dialects, key=lambda each: (_is_punctuation(each), each.order)):
        groups.setdefault(each.delimiter, []).append(each)
    return list(groups.values())


def _is_punctuation(dialect: Dialect) -> bool:
    """Whether a blank follows each delimiter, as the comma in an address that every record has."""
    return all(field[:1] in ("", " ") for row in dialect.tally.rows for field in row[1:])


def _quoted_or_not(dialects: Sequence[Dialect]) -> tuple[list[Dialect], tuple[str, ...]]:
    """Choose among dialects with one delimiter that read equally much; return two if nothing decides."""
    by_form = {(each.quoting, each.escape): each for each in dialects}
    plain, quoted = by_form.get((False, None)), by_form.get((True, None))
    escaped = next((each for (_, sign), each in by_form.items() if sign is not None), None)
    if escaped is not None and (quoted is None or not quoted.tally.is_same(escaped.tally)):
        if quoted is None:
            return [escaped], ()
        # If quotes are doubled, as in RFC 4180, a backslash is an ordinary character.
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
    return [plain], (f"{wrapped:,} records have fields within quotes, which are kept: quoting = true removes them",)


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
            notes = choice.notes + (("the header occurs again among the records",) if again else ())
            doubt = None if told else _doubt(sample, dialect, encoding, choice)
            bare = Reading(
                common | _column_keys(None, choice, dialect.width),
                (*notes, *((_NOT_FIRST,) if header else ())),
                frozenset(wrong | {first[choice.label].strip()}) if header else frozenset(wrong),
                doubt,
            )
            keys = common | _column_keys(first, choice, dialect.width)
            yield Reading(keys, notes, frozenset(wrong), doubt, bare) if header else bare


def _chosen(columns: Sequence[Column], asked: Asked) -> list[ColumnChoice]:
    given = asked.get("columns")
    if given is None:
        return choices(columns, asked)
    wanted = asked.get("text", "text"), asked.get("label", "label")
    if len(given) != len(columns) or any(given.count(name) != 1 for name in wanted):
        return []
    return [ColumnChoice(given.index(wanted[0]), given.index(wanted[1]))]


def _column_keys(header: Sequence[str] | None, choice: ColumnChoice, width: int) -> dict[str, Any]:
    if header is not None:
        return {"header": True, "text": header[choice.text], "label": header[choice.label]}
    names = [f"unused{at + 1}" for at in range(width)]
    names[choice.text], names[choice.label] = "text", "label"
    return {"columns": names}


def _doubt(sample: Sample, dialect: Dialect, encoding: str, choice: ColumnChoice) -> str | None:
    """Return a sign that quotes or backslashes mean more than this reading assumes, as in files of MySQL."""
    for sign in "\"'" if not dialect.quoting else "'":
        around = dialect.tally.within[sign, choice.label]
        if around > _MANY_WRAPPED * dialect.tally.count:
            fix = "write fields in double quotes, with no blank before a quote"
            return f"{around:,} labels are within {sign}, which ingest would keep: this is not its form of CSV; {fix}"
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
        f"backslashes seem to escape outside of quotes ({signs}), which no format supports: write fields in quotes, "
        "without nulls (MySQL: FIELDS TERMINATED BY ',' ENCLOSED BY '\"'; PostgreSQL: CSV)"
    )


def _outside(lines: Sequence[str], dialect: Dialect) -> int:
    """Count lines where a backslash outside of quotes escapes itself or a quote, as Python's csv writes them."""
    begins = re.compile(rf'(?:^|{re.escape(dialect.delimiter)})\\"')
    return sum("\\\\" in line if '"' not in line else begins.search(line) is not None for line in lines)


def _escapes(text: str) -> int:
    """Count backslashes that begin an escape; 0 if some do not, because then they are ordinary characters."""
    escapes = re.findall(r"\\[tnr0b\\N\t\n]", text)
    return len(escapes) if escapes and "\\" not in re.sub(r"\\[tnr0b\\N\t\n]", "", text) else 0


def _odd(text: str, sign: str) -> int:
    """Count how often an odd number of backslashes precedes a character."""
    return len(re.findall(r"(?<!\\)(?:\\\\)*\\" + re.escape(sign), text))
