"""Counts over all records of a file and a bounded sample of them, so that memory stays bounded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

from textclf.cli.sniff.sample import ROWS, rank

NULL = "\\N"
_SIGNS = ('"', "'")


@dataclass
class Tally:
    """Counts of records that have the same number of fields.

    Attributes:
        delimiter: Character between fields.
        count: Number of records.
        digest: Hash of all fields of all records, in order.
        rows: Sample of the records from the whole range, including the first.
        nulls: Number of null fields, by column.
        within: Number of fields within a pair of quote characters, ignoring blanks around it, by character and column.
        wrapped: Number of records with a field within quotes.
        quotes: Whether a field contains a quote.
        breaks: Whether a field contains a line feed.
        delimiters: Whether a field contains the delimiter.
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
            row: Fields of the record.
            raw: Bytes of the record.
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
        """Return whether two tallies are of the same records."""
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
    """Return whether a value begins and ends with a character."""
    return len(value) > 1 and value.startswith(sign) and value.endswith(sign)
