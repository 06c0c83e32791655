"""Files of hostile records, as written by pandas, Spark, MySQL and spreadsheets, and mutations of them.

A file is determined by its kind, a seed and a number: ``sample_file("csv", 1, 4711)`` reproduces a failing file.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.soak.reference_reader import MARK, Rules

Row = tuple[str, str]  # text, label
Rows = tuple[Row, ...]
Writer = Callable[[str, str], str]
LABELS = (
    "0",
    "1",
    "positive",
    " padded\t",
    "",
    "ü",
    "\x85blank\u3000",
    'a "quoted" one',
    "1.0",
    "with, comma",
    "\0",
    "${env:HOME}",
    "it's",
    "\\",
)
NAMES = (  # of the text and label columns, some special to a SQL parser, a glob or Spark
    ("text", "label"), ("text", "label"), ("text", "label"), ("label", "text"), ("a.b", "`t`"), ("*", "it's"),
    ("_metadata", "value"), ("$x", "ü 😀"),
)  # fmt: skip
PIECES = (
    '"', '""', "'", "\\", '\\"', "\\\\", "\\n", ",", ";", "\t", "|", "§", " ", "  ", "\r", "\r\n", "\n", "\n\n", "\n\"",
    "\0", "\ufeff", "\x85", "\u2028", "\x0b", "\x0c", "\x1c", "\xa0", "\u202e", "\u200b", "é", "ß", "İ", "漢", "😀",
    "a", "b", "word", "some longer words", "=1+1", "{", "}", "[", "null", "NaN", ":", "a:b c", "#", "\\N", "\x1a",
)  # fmt: skip
# Bytes that mutations insert: special to a format, or invalid in an encoding.
BYTES = (
    b'"', b'"', b'""', b'","', b"\n", b"\n", b"\r\n", b"\r", b",", b"\t", b";", b"\\", b'\\"', b"\0", b"\xff", b"\xc3",
    b"\xed\xa0\x80", b"\xf0\x9f", MARK, b" ", b"{", b"}", b"\\ud800", b"1e400", b"1.5", b"\x81", b"0", b":", b"x" * 60,
)  # fmt: skip
_ENDS = ("\n", "\n", "\r\n")


@dataclass(frozen=True)
class SampleFile:
    """A file, the rules for reading it, and the rows it was written from.

    Attributes:
        rows: Texts and labels as they were written; None if the file was mutated.
    """

    kind: str
    number: int
    rules: Rules
    data: bytes
    rows: Rows | None


def sample_file(kind: str, seed: int, number: int) -> SampleFile:
    """Return file ``number`` of a kind."""
    return sample_source(kind, seed, number, files=1)[0]


def sample_source(kind: str, seed: int, number: int, files: int) -> list[SampleFile]:
    """Return several files that are read by the same rules."""
    rng = random.Random(f"{seed}/{kind}/{number}")
    rules = KINDS[kind].rules(rng)
    if rng.random() < 0.3:  # a limit that some records exceed
        header = rules.delimiter.join(rules.columns).encode(rules.encoding) if rules.header else b""
        rules = replace(rules, max_record_bytes=len(header) + rng.randint(8, 120))
    return [SampleFile(kind, number, rules, *_content(rng, kind, rules)) for _ in range(files)]


def _content(rng: random.Random, kind: str, rules: Rules) -> tuple[bytes, Rows | None]:
    made = KINDS[kind]
    rows = _rows(rng, rules.encoding, made.without(rules))
    data, rows_told = _file(rng, rules, rows, made.writer(rng, rules))
    if made.exact and rules.max_record_bytes == Rules.max_record_bytes and rng.random() < 0.4:
        return data, rows_told
    head, body = _split_header(data, rules)
    for _ in range(rng.choice((1, 1, 2, 3, 8)) if rng.random() < 0.7 else 0):
        body = mutated(body, rng)
    return head + body, None


def _split_header(data: bytes, rules: Rules) -> tuple[bytes, bytes]:
    """Split off the header, which is not mutated: a file with other columns is refused as a whole."""
    end = data.find(b"\n") + 1 if rules.header else 0
    return data[:end], data[end:]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one change: some are flipped, inserted, removed, repeated, cut off or moved."""
    at, size = rng.randint(0, len(data)), rng.choice((1, 1, 2, 5, 20))
    match rng.randrange(6):
        case 0:
            return data[:at] + bytes(byte ^ (1 << rng.randrange(8)) for byte in data[at : at + 1]) + data[at + 1 :]
        case 1 | 2:
            return data[:at] + rng.choice(BYTES) + data[at:]
        case 3:
            return data[:at] + data[at + size :]
        case 4:
            return data[: at + size] + data[at:]
        case _:
            other = rng.randint(0, len(data))
            return data[:at] if rng.random() < 0.3 else data[:at] + data[other : other + size * 3] + data[at:]


def hostile_text(rng: random.Random, most: int = 7) -> str:
    """Draw a text of a few pieces; some texts are blank, some are long."""
    text = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, most)))
    return text * 40 if rng.random() < 0.02 else text


def _rows(rng: random.Random, encoding: str, without: Sequence[str] = ()) -> Rows:
    def kept(value: str) -> str:
        for sign in without:
            value = value.replace(sign, " ")
        return value.encode(encoding, errors="ignore").decode(encoding)

    count = rng.choice((1, 2, 3, 5, 8, 13, 21))
    return tuple((kept(hostile_text(rng)), kept(rng.choice(LABELS))) for _ in range(count))


def _file(rng: random.Random, rules: Rules, rows: Rows, write: Writer) -> tuple[bytes, Rows | None]:
    """Return a file of the rows, and the rows if a reader must find them all."""
    end = rng.choice(_ENDS)
    lines = [write(text, label) for text, label in rows]
    if rules.header:
        lines.insert(0, rules.delimiter.join(rules.columns))
    whole = end.join(lines) + end * (rng.random() < 0.8)
    mark = MARK if rules.encoding == "utf-8" and rng.random() < 0.1 else b""
    data = mark + whole.encode(rules.encoding)
    # An empty last line is not a record, and a first text that starts like a byte order mark is read as one.
    return data, rows if lines[-1] and (mark or not data.startswith(MARK)) else None


def _encoding(rng: random.Random) -> str:
    return rng.choice(("utf-8", "utf-8", "latin-1", "cp1252"))


def _columns(rng: random.Random, text: str, label: str) -> tuple[str, ...]:
    return rng.choice(((text, label), (label, text), ("id", label, text), (text, "rest", label)))


def _names(rng: random.Random, encoding: str) -> tuple[str, str]:
    """Draw names of the text and label columns that the encoding can represent."""
    return next(pair for pair in iter(lambda: rng.choice(NAMES), None) if all(_has(encoding, name) for name in pair))


def _has(encoding: str, value: str) -> bool:
    return value.encode(encoding, errors="ignore").decode(encoding) == value


def _labels(rng: random.Random) -> tuple[str, ...] | None:
    return rng.choice((None, None, ("0", "1", "positive", "padded")))


def _delimited_rules(
    kind: str, *, quoting: bool, escapes: Sequence[str | None] = (None,)
) -> Callable[[random.Random], Rules]:
    separators = ("\t",) if kind == "tsv" else (",", ",", ";", "|", "§")

    def rules(rng: random.Random) -> Rules:
        encoding = _encoding(rng)
        text, label = _names(rng, encoding)
        return Rules(
            kind, _columns(rng, text, label), text, label, encoding, quoting=quoting, delimiter=rng.choice(separators),
            escape=rng.choice(escapes), header=rng.random() < 0.4, labels=_labels(rng),
        )  # fmt: skip

    return rules


def _delimited(rules: Rules, quote: Callable[[str], str]) -> Writer:
    def write(text: str, label: str) -> str:
        values = {rules.text: text, rules.label: label}
        return rules.delimiter.join(quote(values.get(name, "7")) for name in rules.columns)

    return write


def _doubling(rng: random.Random, rules: Rules) -> Writer:
    """Write as pandas and spreadsheets do: quotes are doubled, and some writers quote only when needed."""
    always = rng.random() < 0.3

    def quote(value: str) -> str:
        must = always or any(sign in value for sign in ('"', "\n", "\r", rules.delimiter))
        return '"' + value.replace('"', '""') + '"' if must else value

    return _delimited(rules, quote)


def _escaping(rng: random.Random, rules: Rules) -> Writer:
    """Write as MySQL and Spark do: in quoted fields, a backslash precedes quotes and backslashes."""
    mysql, always, escape = rng.random() < 0.5, rng.random() < 0.5, rules.escape or "\\"

    def quote(value: str) -> str:
        if not (always or any(sign in value for sign in ('"', "\n", "\r", escape, rules.delimiter))):
            return value
        value = value.replace(escape, 2 * escape).replace('"', escape + '"' if rng.random() < 0.8 else '""')
        return '"' + (value.replace("\n", escape + "\n") if mysql else value) + '"'

    return _delimited(rules, quote)


def _shreds(rng: random.Random, rules: Rules) -> Writer:
    """Write random quotes, separators, line ends and escapes, as no program does."""
    signs = ('"', '"', '"', rules.delimiter, "\n", "\n", "a", rules.escape or " ", "\r\n", '""', f'{rules.delimiter}"')

    def write(text: str, label: str) -> str:
        return "".join(rng.choice(signs) for _ in range(rng.randint(0, 12)))

    return write


def _plain(rng: random.Random, rules: Rules) -> Writer:
    return _delimited(rules, str)


NUMBERS = (
    "0", "1", "-3", "1.0", "2.50", "1e2", "1e20", "1e-400", "1E400", "12345678901234567890", "-0.0", "true", "false",
    "NaN", "Infinity", "null", "[]", "{}", '"1.0"', "9007199254740993.0", "1.0000000000000000000001",
)  # fmt: skip


def _json_lines(rng: random.Random, rules: Rules) -> Writer:
    """Write JSON lines as pandas, Spark and scripts do."""
    ascii_only, separators = rng.random() < 0.5, rng.choice(((",", ":"), (", ", ": ")))

    def write(text: str, label: str) -> str:
        record = {"id": 7, rules.text: text, rules.label: label, "more": {rules.text: [None]}}
        return json.dumps(record, ensure_ascii=ascii_only, separators=separators)

    return write


def _json_numbers(rng: random.Random, rules: Rules) -> Writer:
    """Write JSON lines whose labels are arbitrary JSON values."""

    def write(text: str, label: str) -> str:
        return f"{{{json.dumps(rules.label)}: {rng.choice(NUMBERS)}, {json.dumps(rules.text)}: {json.dumps(text)}}}"

    return write


def _pattern_lines(rng: random.Random, rules: Rules) -> Writer:
    return lambda text, label: f"{label}:x {text}"


def _nothing(rules: Rules) -> tuple[str, ...]:
    return ()


def _line_feeds(rules: Rules) -> tuple[str, ...]:
    return ("\n",)


def _of_one_line(rules: Rules) -> tuple[str, ...]:
    return "\n", "\r", rules.delimiter


@dataclass(frozen=True)
class Kind:
    """How files of a kind are made.

    Attributes:
        rules: Draws the rules for reading the files.
        writer: Draws the writer of the records.
        without: Strings that values must not contain because the format cannot represent them.
        exact: Whether a reader must return exactly the values that were written.
    """

    rules: Callable[[random.Random], Rules]
    writer: Callable[[random.Random, Rules], Writer]
    without: Callable[[Rules], tuple[str, ...]] = _nothing
    exact: bool = True


def _json_rules(rng: random.Random) -> Rules:
    encoding = _encoding(rng)
    text, label = _names(rng, encoding)
    return Rules("jsonl", text=text, label=label, encoding=encoding, labels=_labels(rng))


def _pattern_rules(rng: random.Random) -> Rules:
    return Rules("text", encoding=_encoding(rng), pattern=r"(?P<label>\w+):\S+ (?P<text>.*)", labels=_labels(rng))


KINDS = {
    "csv": Kind(_delimited_rules("csv", quoting=True), _doubling),
    "csv escape": Kind(_delimited_rules("csv", quoting=True, escapes=("\\", "\\", "^")), _escaping),
    "csv shreds": Kind(_delimited_rules("csv", quoting=True, escapes=(None, "\\")), _shreds, exact=False),
    "csv plain": Kind(_delimited_rules("csv", quoting=False), _plain, _of_one_line),
    "tsv": Kind(_delimited_rules("tsv", quoting=False), _plain, _of_one_line),
    "tsv quoted": Kind(_delimited_rules("tsv", quoting=True), _doubling),
    "jsonl": Kind(_json_rules, _json_lines),
    "jsonl numbers": Kind(_json_rules, _json_numbers, exact=False),
    "text": Kind(_pattern_rules, _pattern_lines, _line_feeds, exact=False),
}
