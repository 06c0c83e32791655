"""Fields in a fixed order with one character between them: ``tsv`` and ``csv``."""

import csv
from collections.abc import Sequence

from textclf.formats.base import Fields, LineFormat, SourceKeys
from textclf.formats.csv_fields import field_splitter
from textclf.formats.encodings import check_field_signs
from textclf.formats.reject_reasons import Reason


class Delimited(LineFormat):
    """What both formats share; they differ in what delimiter and quoting are by default."""

    keys = frozenset({"columns", "header", "quoting", "delimiter", "escape"})

    def check(self, source: SourceKeys) -> None:
        """Refuse columns without text or label, and characters that cannot be told apart."""
        columns = source.columns
        if columns is None and not source.header:
            raise ValueError("columns is missing: give the order of the fields, or header = true")
        if columns is not None and not {source.text, source.label} <= set(columns):
            raise ValueError(f"columns must name '{source.text}' and '{source.label}', received {columns}")
        twice = [name for name in (source.text, source.label) if (columns or []).count(name) > 1]
        if twice:
            raise ValueError(f"columns must name '{twice[0]}' once, received {columns}")
        if source.escape is not None and not source.quoted:
            raise ValueError("escape is for quoted fields: set quoting = true, or leave it out")
        check_field_signs(source.encoding, quoted=source.quoted, separator=source.separator, escape=source.escape)

    def fields(self, source: SourceKeys, columns: Sequence[str]) -> Fields:
        """Fields by their position; a record with more or fewer of them is rejected."""
        separator, width = source.separator, len(columns)
        text_at, label_at = columns.index(source.text), columns.index(source.label)

        def pick(values: list[str]) -> tuple[str, str] | Reason:
            if len(values) != width:
                return Reason.MISSING_COLUMN if len(values) < width else Reason.EXTRA_COLUMN
            return values[text_at], values[label_at]

        def plain(record: str) -> tuple[str, str] | Reason:
            return pick(record.split(separator))

        def quoted(record: str) -> tuple[str, str] | Reason:
            values = split(record)
            return Reason.MALFORMED_CSV if values is None else pick(values)

        if not source.quoted:
            return plain
        split = field_splitter(separator, source.escape)
        # The csv module's default limit of 131,072 characters per field is below max_record_bytes.
        csv.field_size_limit(max(csv.field_size_limit(), source.max_record_bytes))
        return quoted

    def structural_byte(self, source: SourceKeys) -> bytes:
        """The delimiter's first byte."""
        return source.separator.encode(source.encoding)[:1]


class Tsv(Delimited):
    """Tabs between fields, no quoting."""

    name = "tsv"
    delimiter = "\t"


class Csv(Delimited):
    """Commas between fields, quoting by RFC 4180."""

    name = "csv"
    quoting = True
