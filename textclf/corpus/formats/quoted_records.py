"""Where quoted records begin and end, in files that are cut into blocks which are read apart.

A quoted field may hold line feeds, so a record may have many lines, and whether a block begins inside of one depends
on all before it. A line begins inside of a quoted field or outside; what it does to that state is one of

    outside -> the record ends here, a record stays open, malformed
    inside  -> the record ends here, it stays open, malformed

While both readings of a line are well-formed, the one is inside where the other is outside: a quote that opens a field
follows a separator or begins the line, so that it is never escaped, and each quote toggles both. Hence a line that
stays inside never opens a record when it is read from outside. Two things follow:

- A record that opens and then fails (a later line is malformed, it grows beyond the limit, or the file ends) is given
  up with one rule: its first line alone is a reject, and its other lines so far are a record each, none of them open.
  Nothing is read three times, and no block but that one has to know.
- At most one record is open at a block's end, and whether it fails is told by what the following blocks do to a record
  that comes in. So each block is scanned once for both entries, and the driver chains them (the idea of Ge et al.,
  Speculative Distributed CSV Data Parsing for Big Data Analytics, SIGMOD 2019). A record that comes in and fails
  changes nothing: the block is read from outside.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from textclf.config import Source
from textclf.formats.reject_reasons import Reason

_QUOTE = b'"'


class Outcome(IntEnum):
    """What a line does to the record that is read."""

    ENDS = 0
    OPEN = 1
    MALFORMED = 2


_ENDS, _OPEN, _MALFORMED = Outcome  # names of a module are found sooner than those of an enumeration


class Quoting(NamedTuple):
    """How a quoted source is written, in bytes of its encoding."""

    separator: bytes
    escape: bytes | None = None
    limit: int = 1 << 20

    @classmethod
    def of(cls, source: Source) -> "Quoting":
        """The quoting of a source."""
        escape = None if source.escape is None else source.escape.encode(source.encoding)
        return cls(source.separator.encode(source.encoding), escape, source.max_record_bytes)


def outcome(line: bytes, quoting: Quoting, *, inside: bool) -> Outcome:
    """What a line does, by RFC 4180 and nothing looser.

    A field that begins with a quote is quoted, and only the separator or the record's end follows its closing quote.
    Any other quote is malformed, and so is a carriage return outside of quotes that does not end the record.

    Example:
        >>> outcome(b'1,"open', Quoting(b","), inside=False)
        <Outcome.OPEN: 1>
        >>> outcome(b'closed",2', Quoting(b","), inside=True)
        <Outcome.ENDS: 0>
    """
    separator, escape, _ = quoting
    width, end = len(separator), len(line)
    returns = b"\r" in line and line.find(b"\r") < end - 1
    at = 0
    while True:
        if not inside:  # at a field's beginning
            quote = line.find(_QUOTE, at)
            if returns and 0 <= line.find(b"\r", at, quote if quote >= 0 else end) < end - 1:
                return _MALFORMED
            if quote < 0:
                return _ENDS
            if quote > at and not line.endswith(separator, at, quote):
                return _MALFORMED
            at = quote + 1
        if escape is None:
            closing = line.find(_QUOTE, at)
            while closing >= 0 and line.startswith(_QUOTE, closing + 1):
                closing = line.find(_QUOTE, closing + 2)
        else:
            closing = _closing(line, at, escape)
        if closing < 0:
            return _OPEN
        at, inside = closing + 1, False
        if at == end or (at == end - 1 and line.endswith(b"\r")):
            return _ENDS
        if not line.startswith(separator, at):
            return _MALFORMED
        at += width


def opens(line: bytes, quoting: Quoting) -> bool:
    """Whether a line that is read from outside leaves a record open."""
    # Each quote toggles, but for those that are escaped: mostly counting them will do.
    maybe = line.count(_QUOTE) % 2 == 1 or (quoting.escape is not None and quoting.escape in line)
    return maybe and len(line) <= quoting.limit and outcome(line, quoting, inside=False) is _OPEN


def _closing(line: bytes, at: int, escape: bytes) -> int:
    """Where the quote is that closes a field which goes on at ``at``; below 0 where none does."""
    while True:
        closing = line.find(_QUOTE, at)
        escaped = line.find(escape, at, closing if closing >= 0 else len(line))
        if escaped >= 0:
            at = escaped + (2 if line[escaped + 1 : escaped + 2] in (_QUOTE, escape) else 1)
        elif closing < 0 or line[closing + 1 : closing + 2] != _QUOTE:
            return closing
        else:
            at = closing + 2


class Reading(NamedTuple):
    """What a run of lines gives that is read from outside.

    Attributes:
        begun: Records that begin here.
        open: Bytes from the beginning of the record that is open at the end, its line feeds among them; 0 without one.
        given_up: Records that begin here if the open one fails.
    """

    begun: int = 0
    open: int = 0
    given_up: int = 0


class Entry(IntEnum):
    """What a block does to a record that comes in."""

    STAYS = 0
    CLOSES = 1
    FAILS = 2


_STAYS, _CLOSES, _FAILS = Entry


class Scanned(NamedTuple):
    """What the scan of a block found.

    Attributes:
        outside: The block read from outside.
        entry: What it does to a record that comes in.
        entered: Bytes of the block up to the end of the line that closes or fails such a record, that line's feed not
            among them; all of its bytes where the record stays open.
        rest: What follows the record that came in.
    """

    outside: Reading = Reading()
    entry: Entry = _STAYS
    entered: int = 0
    rest: Reading = Reading()


class _Outside:
    """Counts the records of lines that are read from outside."""

    def __init__(self, quoting: Quoting) -> None:
        self._quoting = quoting
        self.begun = 0
        self.open = 0  # bytes since the open record began, line feeds among them
        self._since = 0  # lines since, its first one not among them

    def plain(self, lines: int, size: int) -> None:
        """Lines without a quote, and their bytes with their line feeds."""
        if not self.open:
            self.begun += lines
            return
        self.open += size
        self._since += lines
        if self.open - 1 > self._quoting.limit:
            self._give_up()

    def line(self, line: bytes) -> None:
        """A line with a quote."""
        if self.open:
            size = self.open + len(line) + 1
            found = outcome(line, self._quoting, inside=True) if size - 1 <= self._quoting.limit else _MALFORMED
            if found is _OPEN:
                self.open, self._since = size, self._since + 1
                return
            if found is _ENDS:
                self.open = self._since = 0
                return
            self._give_up()
        self.begun += 1
        if opens(line, self._quoting):
            self.open = len(line) + 1

    def _give_up(self) -> None:
        self.begun += self._since
        self.open = self._since = 0

    def reading(self) -> Reading:
        return Reading(self.begun, self.open, self.begun + self._since)


class QuoteScan:
    """Scans the lines of one block, in order, for both of its entries."""

    def __init__(self, quoting: Quoting) -> None:
        self._quoting = quoting
        self._outside = _Outside(quoting)
        self._rest = _Outside(quoting)
        self._entry, self._entered = _STAYS, 0
        self._ahead: int | None = None  # records that `_outside` has more, once both read the same

    def plain(self, lines: int, size: int) -> None:
        """Continue with lines that hold no quote.

        Args:
            lines: Number of lines.
            size: Bytes of the lines, with their line feeds.
        """
        self._outside.plain(lines, size)
        if self._entry is _CLOSES and self._ahead is None:
            self._rest.plain(lines, size)
            self._join()
        elif self._entry is _STAYS:
            self._enter(size, _OPEN)

    def add(self, lines: Iterable[bytes]) -> None:
        """Continue with the block's next lines."""
        count = size = 0
        for line in lines:
            if _QUOTE in line:
                if count:
                    self.plain(count, size)
                    count = size = 0
                self._line(line)
            else:
                count += 1
                size += len(line) + 1
        if count:
            self.plain(count, size)

    def _line(self, line: bytes) -> None:
        self._outside.line(line)
        if self._entry is _CLOSES and self._ahead is None:
            self._rest.line(line)
            self._join()
        elif self._entry is _STAYS:
            self._enter(len(line) + 1, outcome(line, self._quoting, inside=True))

    def _enter(self, size: int, found: Outcome) -> None:
        """What lines of so many bytes do to a record that came in and is still open."""
        self._entered += size
        if self._entered - 1 > self._quoting.limit:
            self._entry = _FAILS  # whenever it began, it is too long by now
        elif found is not _OPEN:
            self._entry = _CLOSES if found is _ENDS else _FAILS
            self._entered -= 1
            self._join()

    def _join(self) -> None:
        """From where no record is open in either reading, both read the same."""
        if self._entry is _CLOSES and not self._outside.open and not self._rest.open:
            self._ahead = self._outside.begun - self._rest.begun

    def found(self) -> Scanned:
        """What the scan has found so far."""
        outside, rest = self._outside.reading(), self._rest.reading()
        if self._ahead is not None:
            rest = Reading(outside.begun - self._ahead, outside.open, outside.given_up - self._ahead)
        return Scanned(outside, self._entry, self._entered, rest)


def fate(following: Iterable[Scanned], size: int, limit: int) -> Reason | None:
    """Why a record fails that is open at a block's end; None where it closes.

    Args:
        following: The blocks that follow in the file.
        size: Bytes of the record so far, its line feeds among them.
        limit: The source's ``max_record_bytes``.
    """
    for block in following:
        if block.entry is not _STAYS:
            if size + block.entered > limit:
                break
            return None if block.entry is _CLOSES else Reason.MALFORMED_CSV
        size += block.entered
        if size - 1 > limit:
            break
    return Reason.UNCLOSED_QUOTE


class Piece(NamedTuple):
    """A record of a block, or the part of one that crosses into another block.

    Attributes:
        position: Number of the record.
        raw: Its bytes, without the line feed at the end.
        reason: Why it is refused, where that is known before it is parsed.
        partial: Whether it is a part.
    """

    position: int
    raw: bytes
    reason: Reason | None = None
    partial: bool = False


@dataclass(frozen=True)
class Borders:
    """What a block's neighbours decide about its records.

    Attributes:
        first: Number of the first record that begins here; -1 where that is the header.
        inside: Whether the block begins inside of a record, which closes here or later.
        fails: Why the record fails that is open at the block's end; None where it closes in a later block.
    """

    first: int = 0
    inside: bool = False
    fails: Reason | None = Reason.UNCLOSED_QUOTE


class QuotedReader:
    """Reads the records of one block from its lines."""

    def __init__(self, quoting: Quoting, borders: Borders) -> None:
        self._quoting, self._borders = quoting, borders
        self._next = borders.first
        self._comes_in = borders.inside
        self._held: list[bytes] = []  # lines of the record that is open
        self._size = 0

    def records(self, lines: Iterable[bytes]) -> list[Piece]:
        """The records that end in the block's next lines."""
        found: list[Piece] = []
        for line in lines:
            if self._comes_in or self._held:
                self._continue(line, found)
            elif _QUOTE in line and opens(line, self._quoting):
                self._held, self._size = [line], len(line)
            else:
                if self._next >= 0:  # as in _number, which is called for every record else
                    found.append(Piece(self._next, line))
                self._next += 1
        return found

    def rest(self) -> list[Piece]:
        """The record that the block's end cuts off, and what becomes of it."""
        found: list[Piece] = []
        if self._comes_in:
            found.append(Piece(self._next - 1, b"\n".join(self._held), partial=True))
        elif self._held and self._borders.fails is None:
            found.append(Piece(self._next, b"\n".join(self._held), partial=True))
        elif self._held:
            self._give_up(self._borders.fails, found)
        return found

    def _continue(self, line: bytes, found: list[Piece]) -> None:
        self._size += len(line) + 1
        if not self._comes_in and self._size > self._quoting.limit:
            self._give_up(Reason.UNCLOSED_QUOTE, found)
            found += self.records([line])
            return
        then = outcome(line, self._quoting, inside=True) if _QUOTE in line else _OPEN
        if then is _MALFORMED:
            self._give_up(Reason.MALFORMED_CSV, found)
            found += self.records([line])
            return
        self._held.append(line)
        if then is _ENDS:
            raw, self._held = b"\n".join(self._held), []
            if self._comes_in:
                self._comes_in = False
                found.append(Piece(self._next - 1, raw, partial=True))
            else:
                self._number(raw, found)

    def _give_up(self, reason: Reason | None, found: list[Piece]) -> None:
        (first, *others), self._held = self._held, []
        self._number(first, found, reason)
        for line in others:
            self._number(line, found)

    def _number(self, raw: bytes, found: list[Piece], reason: Reason | None = None) -> None:
        if self._next >= 0:  # not the header
            found.append(Piece(self._next, raw, reason))
        self._next += 1
