"""Where quoted records begin and end, found in blocks of lines that are read apart.

A line feed inside a quoted field does not end a record, so whether a block of a file begins inside a quoted
field depends on everything before it. At the beginning of a line there are only two possibilities, inside or
outside. Each block is scanned once for both, and the blocks' results are chained on the driver (the idea of
Ge et al., Speculative Distributed CSV Data Parsing for Big Data Analytics, SIGMOD 2019).
"""

from collections.abc import Iterable
from dataclasses import dataclass

_QUOTE = b'"'


def inside_after(line: bytes, inside: bool, separator: bytes) -> bool:
    """Whether the end of ``line`` lies inside a quoted field, given whether its beginning does.

    As Python's csv module reads: a quote opens a field only at the field's beginning, two quotes inside
    stand for one, and what follows a closing quote up to the separator is plain.

    Example:
        >>> inside_after(b'1,"open', False, b",")
        True
        >>> inside_after(b'closed",2', True, b",")
        False
    """
    at = 0
    while True:
        if inside:
            closing = line.find(_QUOTE, at)
            if closing < 0:
                return True
            at = closing + 1
            if line[at : at + 1] == _QUOTE:
                at += 1
                continue
        elif line[at : at + 1] == _QUOTE:
            inside, at = True, at + 1
            continue
        # The rest of the field is plain: the next one begins after the separator.
        at = line.find(separator, at) + 1
        if at == 0:
            return False
        inside = False


@dataclass
class QuoteScan:
    """What a block of lines does to the state, for both states that it may begin in.

    Attributes:
        begun: Number of records that begin in the block if it begins (outside, inside) a quoted field.
        inside: Whether the block ends inside a quoted field, likewise.
    """

    begun: tuple[int, int] = (0, 0)
    inside: tuple[bool, bool] = (False, True)

    def add(self, lines: Iterable[bytes], separator: bytes) -> None:
        """Continue the scan with the block's next lines."""
        (first, second), (outer, inner) = self.begun, self.inside
        for line in lines:
            first += not outer
            second += not inner
            if _QUOTE in line:
                outer, inner = (
                    inside_after(line, outer, separator),
                    inside_after(line, inner, separator),
                )
        self.begun, self.inside = (first, second), (outer, inner)
