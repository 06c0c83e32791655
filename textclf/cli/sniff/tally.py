"""Records of fields as a look needs them: counts of all, and some of them, so that no sample fills the memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

from textclf.cli.sniff.sample import ROWS, rank

NULL = "\\N"
_SIGNS = ('"', "'")


@dataclass
class Tally:
    """Records of as many fields each.

    Attributes:
        count: How many they are.
        digest: Of all fields of all of them, in order.
        rows: Some of them, from all over, the first among them.
        nulls: How many fields are null, by column.
        within: How many fields are within a sign, blanks around it aside, by sign and column.
        wrapped: How many records have a field within quotes.
        quotes: Whether a field holds a quote.
        breaks: Whether a field holds a line feed.
        delimiters: Whether a field holds the delimiter.
    """

    delimiter: str = ""
    count: int = 0
    digest: int = 0
    rows: list[Sequence[str]] = field(default_factory=list, repr=False)
    nulls: Counter[int] = field(default_factory=Counter)
    within: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrapped: int = 0
    quotes: bool = False
    breaks: bool = False
    delimiters: bool = False
    _share: float = 1.0
    _ranks: list[float] = field(default_factory=list, repr=False)

    def add(self, row: Sequence[str], raw: bytes) -> None:
        """Count a record.

        Args:
            raw: Its bytes.
        """
        self.digest = hash((self.digest, *row))
        if (place := rank(self.count)) < self._share:
            self.rows.append(row)
            self._ranks.append(place)
            if len(self.rows) > 2 * ROWS:
                self._thin()
        self.count += 1
        if NULL in row:
            self.nulls.update(at for at, value in enumerate(row) if value == NULL)
        if b'"' in raw or b"'" in raw:
            self._look_within(row)
        if b"\n" in raw:
            self.breaks = self.breaks or any("\n" in value for value in row)

    def is_same(self, other: "Tally") -> bool:
        """Whether the records are the same."""
        return (self.count, self.digest) == (other.count, other.digest)

    def _thin(self) -> None:
        self._share /= 2
        kept = [each < self._share for each in self._ranks]
        self.rows, self._ranks = list(compress(self.rows, kept)), list(compress(self._ranks, kept))

    def _look_within(self, row: Sequence[str]) -> None:
        self.within.update(
            (sign, at) for at, value in enumerate(row) for sign in _SIGNS if is_wrapped(value.strip(), sign)
        )
        self.wrapped += any(is_wrapped(value, '"') for value in row)
        self.quotes = self.quotes or any('"' in value for value in row)
        self.delimiters = self.delimiters or any(self.delimiter in value for value in row)


def is_wrapped(value: str, sign: str) -> bool:
    """Whether a value begins and ends with a sign."""
    return len(value) > 1 and value.startswith(sign) and value.endswith(sign)
