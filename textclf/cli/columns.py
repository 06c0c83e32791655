"""Which column of a table of unknown origin holds the text and which the label."""

from collections.abc import Sequence
from dataclasses import dataclass, field

TEXT_NAMES = ("text", "sentence", "review", "message", "comment", "body", "question", "content", "tweet", "document")
LABEL_NAMES = (
    "label",
    "class",
    "category",
    "target",
    "sentiment",
    "intent",
    "topic",
    "tag",
    "y",
    "stars",
    "rating",
    "verdict",
    "outcome",
)
_FEW = 200  # a column with more values than these, or than a third of its rows, is no label
_ROWS_A_LABEL = 3


@dataclass(frozen=True)
class Column:
    """A column of a sample: its name where it has one, and its values as text."""

    name: str | None
    values: Sequence[str | None] = field(repr=False)

    @property
    def present(self) -> list[str]:
        """The values that are there and not blank."""
        return [value for value in self.values if value is not None and value.strip()]

    def is_called(self, names: Sequence[str]) -> bool:
        """Whether its name is, or holds, one of these."""
        name = (self.name or "").casefold()
        return any(each == name or (len(each) > 2 and each in name) for each in names)


def choose_text(columns: Sequence[Column]) -> int | None:
    """Number of the column that holds the text: the longest values with words in them; a telling name decides."""
    lengths = []
    for column in columns:
        present = column.present
        words = sum(" " in value.strip() for value in present)
        mean = sum(map(len, present)) / len(present) if present else 0.0
        # Addresses and hashes are long and have no words.
        lengths.append(mean * (0.1 + words / len(present)) if present else 0.0)
    if not any(lengths):
        return None
    longest = max(lengths)
    named = [at for at, column in enumerate(columns) if column.is_called(TEXT_NAMES) and lengths[at] > longest / 10]
    return max(named or range(len(columns)), key=lambda at: lengths[at])


def label_candidates(columns: Sequence[Column], text: int) -> list[int]:
    """Numbers of the columns that may be the label: few different values, each often; those of a telling name first."""
    fitting = []
    for at, column in enumerate(columns):
        present = column.present
        values = {value.strip() for value in present}
        if at != text and 2 <= len(values) <= min(_FEW, max(len(present) / _ROWS_A_LABEL, 2)):
            fitting.append((not column.is_called(LABEL_NAMES), len(values), abs(at - text), at))
    return [each[-1] for each in sorted(fitting)]


def choose_label(columns: Sequence[Column], text: int) -> int | None:
    """Number of the column that is most likely the label, None where none may be."""
    return next(iter(label_candidates(columns, text)), None)


def choose_id(columns: Sequence[Column], text: int | None) -> int | None:
    """Number of the column that tells rows apart; a telling name decides."""
    fitting = []
    for at, column in enumerate(columns):
        unique = len(column.present) == len(column.values) == len(set(column.values))
        if at != text and unique and column.values:
            fitting.append((not column.is_called(("id", "key", "uuid")), at))
    return min(fitting)[-1] if fitting else None


def looks_like_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns: its values are no values of the columns below.

    A column with few different values tells: a label's name is none of the labels.
    """
    names = [value.strip() for value in first]
    if not all(names) or len(set(names)) < len(names) or any(len(name) > 60 for name in names) or len(rest) < 2:
        return False
    for at, name in enumerate(names):
        below = [row[at].strip() for row in rest if at < len(row)]
        if name in below:
            return False
    columns = [Column(None, [row[at] for row in rest]) for at in range(len(names))]
    text = choose_text(columns)
    label = None if text is None else choose_label(columns, text)
    known = (*TEXT_NAMES, *LABEL_NAMES)
    return any(name.casefold() in known for name in names) or (label is not None and not _number(names[label]))


def _number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
