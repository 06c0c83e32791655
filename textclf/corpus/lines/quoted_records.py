"""Find where quoted records begin and end in files whose blocks are read independently.

A quoted field may hold line feeds, so a record may have many lines. Whether a block begins inside a record depends on
everything before the block. A line begins either inside or outside a quoted field, and has one of these outcomes:

    outside -> the record ends here, a record stays open, malformed
    inside  -> the record ends here, it stays open, malformed

While both readings of a line are well-formed, one is inside wherever the other is outside: a quote that opens a field
follows a separator or begins the line, so it is never escaped, and each quote toggles both readings. Hence a line that
stays inside never opens a record when it is read from outside. Two things follow:

- A record may open and then fail, because a later line is malformed, the record grows beyond the limit, or the file
  ends. One rule applies: its first line alone is a reject, and each of its other lines so far is a record, none of
  them open. No line is read three times, and no other block has to know of it.
- At most one record is open at a block's end. Whether it fails depends on what the following blocks do to a record
  that is open at their start. So each block is scanned once for both entry states, and the driver chains the results
  (the idea of Ge et al., Speculative Distributed CSV Data Parsing for Big Data Analytics, SIGMOD 2019). An open record
  that fails in a block changes nothing there: the block is read from outside.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from textclf.config import Source
from textclf.formats.reject_reasons import Reason

_QUOTE = b'"'


class Outcome(IntEnum):
    """What a line does to the record being read."""

    ENDS = 0
    OPEN = 1
    MALFORMED = 2


_ENDS, _OPEN, _MALFORMED = Outcome  # module names are looked up faster than members of an enumeration


class Quoting(NamedTuple):
    """Separator and escape character of a quoted source, in bytes of its encoding, and its record limit in bytes."""

    separator: bytes
    escape: bytes | None = None
    limit: int = 1 << 20

    @classmethod
    def of(cls, source: Source) -> "Quoting":
        """Return the quoting of a source."""
        escape = None if source.escape is None else source.escape.encode(source.encoding)
        return cls(source.separator.encode(source.encoding), escape, source.max_record_bytes)


def outcome(line: bytes, quoting: Quoting, *, inside: bool) -> Outcome:
    """Determine the outcome of a line, strictly by RFC 4180.

    A field that begins with a quote is quoted, and only a separator or the record's end may follow its closing quote.
    Any other quote is malformed, and so is a carriage return outside quotes that does not end the record.

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
    """Whether a line, read from outside, leaves a record open."""
    # Every quote toggles unless it is escaped, so counting quotes decides most lines.
    maybe = line.count(_QUOTE) % 2 == 1 or (quoting.escape is not None and quoting.escape in line)
    return maybe and len(line) <= quoting.limit and outcome(line, quoting, inside=False) is _OPEN


def _closing(line: bytes, at: int, escape: bytes) -> int:
    """Find the quote that closes a field which continues at ``at``; -1 if there is none."""
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
    """Result of reading a run of lines from outside.

    Attributes:
        begun: Number of records that begin here.
        open: Bytes so far of the record that is open at the end, including line feeds; 0 if none is open.
        given_up: Number of records that begin here if the open one fails.
    """

    begun: int = 0
    open: int = 0
    given_up: int = 0


class Entry(IntEnum):
    """What a block does to a record that is open at its start."""

    STAYS = 0
    CLOSES = 1
    FAILS = 2


_STAYS, _CLOSES, _FAILS = Entry


class Scanned(NamedTuple):
    """Result of scanning a block.

    Attributes:
        outside: Reading of the block from outside.
        entry: What the block does to a record that is open at its start.
        entered: Bytes of the block up to the end of the line that closes or fails such a record, without that line's
            feed; all bytes of the block if the record stays open.
        rest: Reading of what follows the record that was open at the start.
    """

    outside: Reading = Reading()
    entry: Entry = _STAYS
    entered: int = 0
    rest: Reading = Reading()


class _Outside:
    """Count the records of lines that are read from outside."""

    def __init__(self, quoting: Quoting) -> None:
        self._quoting = quoting
        self.begun = 0
        self.open = 0  # bytes of the open record so far, including line feeds
        self._since = 0  # lines of the open record so far, without its first

    def plain(self, lines: int, size: int) -> None:
        """Continue with lines without a quote; ``size`` is their bytes, including line feeds."""
        if not self.open:
            self.begun += lines
            return
        self.open += size
        self._since += lines
        if self.open - 1 > self._quoting.limit:
            self._give_up()

    def line(self, line: bytes) -> None:
        """Continue with a line that contains a quote."""
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
    """Scan the lines of one block, in order, for both entry states."""

    def __init__(self, quoting: Quoting) -> None:
        self._quoting = quoting
        self._outside = _Outside(quoting)
        self._rest = _Outside(quoting)
        self._entry, self._entered = _STAYS, 0
        self._ahead: int | None = None  # records that `_outside` counts beyond `_rest`, once both read the same lines

    def plain(self, lines: int, size: int) -> None:
        """Continue with lines that contain no quote.

        Args:
            lines: Number of lines.
            size: Bytes of the lines, including line feeds.
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
        """Continue a record that was open at the block's start with lines of ``size`` bytes."""
        self._entered += size
        if self._entered - 1 > self._quoting.limit:
            self._entry = _FAILS  # too long by now, wherever it began
        elif found is not _OPEN:
            self._entry = _CLOSES if found is _ENDS else _FAILS
            self._entered -= 1
            self._join()

    def _join(self) -> None:
        """Stop reading twice once no record is open in either reading: from there on both are the same."""
        if self._entry is _CLOSES and not self._outside.open and not self._rest.open:
            self._ahead = self._outside.begun - self._rest.begun

    def found(self) -> Scanned:
        """Return what the scan has found so far."""
        outside, rest = self._outside.reading(), self._rest.reading()
        if self._ahead is not None:
            rest = Reading(outside.begun - self._ahead, outside.open, outside.given_up - self._ahead)
        return Scanned(outside, self._entry, self._entered, rest)


def fate(following: Iterable[Scanned], size: int, limit: int) -> Reason | None:
    """Return why a record that is open at a block's end fails, or None if it closes.

    Args:
        following: Scans of the blocks that follow in the file.
        size: Bytes of the record so far, including line feeds.
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
    """A record of a block, or the part of a record that crosses into another block.

    Attributes:
        position: Number of the record.
        raw: Bytes of the record, without the line feed at its end.
        reason: Reject reason, if it is known before the record is parsed.
        partial: Whether this is only a part of a record.
    """

    position: int
    raw: bytes
    reason: Reason | None = None
    partial: bool = False


@dataclass(frozen=True)
class Borders:
    """What the neighbouring blocks decide about a block's records.

    Attributes:
        first: Number of the first record that begins in the block; -1 if that record is the header.
        inside: Whether the block begins inside a record, which closes here or later.
        fails: Why the record that is open at the block's end fails; None if it closes in a later block.
    """

    first: int = 0
    inside: bool = False
    fails: Reason | None = Reason.UNCLOSED_QUOTE


class QuotedReader:
    """Read the records of one block from its lines."""

    def __init__(self, quoting: Quoting, borders: Borders) -> None:
        self._quoting, self._borders = quoting, borders
        self._next = borders.first
        self._comes_in = borders.inside
        self._held: list[bytes] = []  # lines of the record that is open
        self._size = 0

    def records(self, lines: Iterable[bytes]) -> list[Piece]:
        """Read the block's next lines and return the records that end in them."""
        found: list[Piece] = []
        for line in lines:
            if self._comes_in or self._held:
                self._continue(line, found)
            elif _QUOTE in line and opens(line, self._quoting):
                self._held, self._size = [line], len(line)
            else:
                if self._next >= 0:  # inlined from _number, to save a call for every record
                    found.append(Piece(self._next, line))
                self._next += 1
        return found

    def rest(self) -> list[Piece]:
        """Return the pieces of the record that the block's end cuts off."""
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
