"""Lines that a regular expression takes apart: ``text``."""

import re
from collections.abc import Sequence

from textclf.formats.base import Fields, LineFormat, SourceKeys
from textclf.formats.reject_reasons import Reason


class PatternText(LineFormat):
    """Lines of a pattern with named groups for text and label."""

    name = "text"
    keys = frozenset({"pattern"})

    def check(self, source: SourceKeys) -> None:
        """Refuse a pattern that is missing, not a regular expression, or without the two groups."""
        if source.pattern is None:
            raise ValueError("format 'text' needs pattern, a regular expression with groups text and label")
        try:
            groups = set(re.compile(source.pattern).groupindex)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from error
        if not {source.text, source.label} <= groups:
            raise ValueError(
                f"pattern must have the named groups '{source.text}' and '{source.label}', "
                f"received {sorted(groups) or 'none'}"
            )

    def fields(self, source: SourceKeys, columns: Sequence[str]) -> Fields:
        """The two groups of a line that matches as a whole."""
        match = re.compile(source.pattern or "").fullmatch

        def pick(record: str) -> tuple[str | None, str | None] | Reason:
            found = match(record)
            return Reason.NO_MATCH if found is None else (found[source.text], found[source.label])

        return pick
