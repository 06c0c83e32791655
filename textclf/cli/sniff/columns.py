"""Detect which column of a table holds the text and which the label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from textclf.cli.sniff.values import NO_LABELS, is_number, kind_of, words

TEXT_NAMES = (
    "text", "sentence", "review", "message", "comment", "body", "question", "content", "tweet", "document", "utterance",
    "description", "feedback", "texto", "texte", "kommentar", "bewertung", "текст", "отзыв", "文本", "评论", "内容",
    "本文", "テキスト", "ข้อความ", "نص", "النص",
)  # fmt: skip
LABEL_NAMES = (
    "label", "class", "category", "target", "sentiment", "intent", "topic", "tag", "y", "stars", "rating", "verdict",
    "outcome", "polarity", "emotion", "etikett", "klasse", "kategorie", "categoria", "метка", "класс", "категория",
    "标签", "类别", "分类", "ラベル", "ป้ายกำกับ", "التصنيف",
)  # fmt: skip
OTHER_NAMES = (
    "id", "index", "idx", "key", "uuid", "guid", "hash", "date", "time", "timestamp", "created", "updated", "year",
    "day", "user", "author", "customer", "annotator", "email", "mail", "phone", "url", "link", "uri", "path", "file",
    "address", "street", "city", "country", "lang", "language", "split", "source", "origin", "ip", "score", "count",
    "lead_time", "name",
)  # fmt: skip
"""Names of columns that are neither text nor label, if there are other columns to choose from."""
_MEASURES = ("stars", "rating", "y")
"""Names of label columns that are chosen only if there is no other."""
_SPLITS = frozenset(("train", "training", "test", "testing", "dev", "val", "valid", "validation", "eval"))
_FEW = 200  # a label column has at most this many distinct values, and at most a third as many as rows
_FEW_NAMED = 2000  # the limit for a column that is named like a label; some values must recur there too
_ROWS_A_LABEL = 3
_CLEARLY = 3  # a column with this many times the words of another is clearly the text


@dataclass(frozen=True)
class Column:
    """A column of a sample: its name, if it has one, and its values as text."""

    name: str | None
    values: Sequence[str | None] = field(repr=False)

    @cached_property
    def present(self) -> list[str]:
        """Values that are neither null nor blank."""
        return [value for value in self.values if value is not None and value.strip()]

    @cached_property
    def kind(self) -> str | None:
        """Form of the values, as ``kind_of`` returns it."""
        return kind_of(self.present)

    @cached_property
    def distinct(self) -> set[str]:
        """Distinct values, stripped of whitespace."""
        return {value.strip() for value in self.present}

    @cached_property
    def words(self) -> float:
        """Mean number of words per value, reduced where values recur."""
        if not self.present:
            return 0.0
        some = self.present[:: max(len(self.present) // 1000, 1)]
        mean = sum(map(words, some)) / len(some)
        return mean * (0.3 + 0.7 * len(self.distinct) / len(self.present))

    def is_called(self, names: Sequence[str]) -> bool:
        """Return whether the column's name is one of the given names."""
        return (self.name or "").strip().casefold() in names

    def is_like(self, names: Sequence[str]) -> bool:
        """Return whether the column's name equals or contains one of the given names."""
        name = (self.name or "").strip().casefold()
        return any(each == name or (len(each) > 2 and each in name) for each in names)

    def rank(self, names: Sequence[str]) -> int:
        """Return how well the column's name matches the given names, from 0 (best) to 3."""
        if self.is_called(names):
            return 0
        parts = (self.name or "").casefold().replace("-", "_").replace(" ", "_").split("_")
        if self.is_called(OTHER_NAMES) or parts[-1] in OTHER_NAMES or self.kind == "address":
            return 3  # values that look like addresses may be product names: better than no text column
        return 1 if self.is_like(names) else 2


@dataclass(frozen=True)
class ColumnChoice:
    """The positions of the text and label columns, with notes on other columns that came close."""

    text: int
    label: int
    notes: tuple[str, ...] = ()


def choices(columns: Sequence[Column], asked: Mapping[str, str] | None = None) -> list[ColumnChoice]:
    """Return the equally good choices of text and label; an empty list if no columns qualify.

    Args:
        columns: Columns of the sample.
        asked: Names that the user has given for ``text`` and ``label``.
    """
    texts, more_texts = _asked(columns, asked, "text") or text_candidates(columns)
    found = []
    for text in texts:
        labels, more_labels = _asked(columns, asked, "label") or label_candidates(columns, text)
        for label in labels:
            others = {"text": [at for at in more_texts if at != label], "label": more_labels}
            notes = tuple(
                f"other columns that could be the {key}: {', '.join(_shown(columns, at) for at in left)}"
                for key, left in others.items()
                if left
            )
            found.append(ColumnChoice(text, label, notes))
    return [each for each in found if each.text != each.label]


def _asked(columns: Sequence[Column], asked: Mapping[str, str] | None, key: str) -> tuple[list[int], list[int]] | None:
    if asked is None or key not in asked:
        return None
    return [at for at, column in enumerate(columns) if column.name == asked[key]], []


def _shown(columns: Sequence[Column], at: int) -> str:
    return columns[at].name or f"number {at + 1}"


def text_candidates(columns: Sequence[Column]) -> tuple[list[int], list[int]]:
    """Return the positions of the equally good candidates for the text, and of weaker ones.

    A matching name decides, then the number of words. Times, addresses and numbers are not texts.
    """
    # A column with few distinct values is more likely the label.
    ranked = [
        (4 if _is_label(column) and not column.is_called(TEXT_NAMES) else column.rank(TEXT_NAMES), -column.words, at)
        for at, column in enumerate(columns)
        if column.words > 0 and (column.kind in (None, "address") or column.is_called(TEXT_NAMES))
    ]
    most = max((-each[1] for each in ranked), default=0.0)
    # A name means little if the column is nearly empty.
    fitting = sorted(each for each in ranked if -each[1] > most / 50 or each[0] == 0)
    if not fitting:
        return [], []
    best, least, _ = fitting[0]
    same = [at for rank, count, at in fitting if rank == best and -count * _CLEARLY > -least]
    if len(same) > 1:
        same = [at for at in same if columns[at].rank(LABEL_NAMES) > 1] or same
    others = [at for _, count, at in fitting if at not in same and -count * 2 > most and not _is_label(columns[at])]
    return same, others


def _is_label(column: Column) -> bool:
    return 2 <= len(column.distinct) <= min(_FEW, max(len(column.present) / _ROWS_A_LABEL, 2))


def label_candidates(columns: Sequence[Column], text: int) -> tuple[list[int], list[int]]:
    """Return the positions of the equally good candidates for the label, and of weaker ones.

    A label column has few distinct values, each of which occurs often. A matching name decides. Of two columns that
    divide the rows in the same way, the one with the better name counts, or else the first.
    """
    fitting = []
    for at, column in enumerate(columns):
        rank, count, rows = column.rank(LABEL_NAMES), len(column.distinct), len(column.present)
        named = rank == 0 and 2 <= count <= min(_FEW_NAMED, max(0.8 * rows, 2))
        if at == text or not (named or _is_label(column)) or rows * 2 < len(column.values):
            continue
        if column.kind in NO_LABELS and not named:
            continue
        if {value.casefold() for value in column.distinct} <= _SPLITS or (rank > 1 and column.words > 8):
            rank = 3
        many = column.is_called(_MEASURES) or (rank > 1 and count > 10 and all(map(is_number, column.distinct)))
        fitting.append(((rank, many), count, abs(at - text), at))
    fitting.sort()
    if not fitting:
        return [], []
    first = fitting[0]
    same = [first[-1]]
    for order, _, _, at in fitting[1:]:
        if order == first[0] and not any(_alike(columns[at], columns[other]) for other in same):
            same.append(at)
    return same, [each[-1] for each in fitting if each[-1] not in same]


def _alike(one: Column, other: Column) -> bool:
    """Return whether two columns divide the rows in the same way, like the number and the name of a class."""
    pairs = {(a, b) for a, b in zip(one.values, other.values, strict=True) if a is not None and b is not None}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def choose_id(columns: Sequence[Column], text: int | None) -> int | None:
    """Return the position of the column that identifies rows; a matching name decides. None if there is none."""
    fitting = []
    for at, column in enumerate(columns):
        unique = len(column.present) == len(column.values) == len(set(column.values))
        if at != text and unique and column.values:
            fitting.append((not column.is_like(("id", "key", "uuid")), at))
    return min(fitting)[-1] if fitting else None
