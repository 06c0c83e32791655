"""Delimited records split as whole columns: what most records need, without looking at each one in Python."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from textclf.config import Source
from textclf.corpus.records import allowed_labels

Splitter = Callable[[pa.Array], tuple[npt.NDArray[np.bool_], pa.Array, pa.Array]]
"""From lines to: which are good beyond doubt, and the text and label columns, of meaning in those rows alone."""


def column_splitter(source: Source, columns: Sequence[str] | None) -> Splitter | None:
    """The splitter of a source of delimited UTF-8 records without quoting, None for all others.

    It never accepts a record that ``records.parser`` would refuse or read otherwise; what it leaves is for that.
    """
    if source.format not in ("tsv", "csv") or source.quoted or source.encoding.lower() not in ("utf-8", "utf8"):
        return None
    names = list(columns or source.columns or [])
    text_at, label_at, width = names.index(source.text), names.index(source.label), len(names)
    allowed = allowed_labels(source)
    known = None if allowed is None else pa.array(sorted(allowed), pa.string())

    def split(lines: pa.Array) -> tuple[npt.NDArray[np.bool_], pa.Array, pa.Array]:
        try:
            strings = lines.cast(pa.string())  # checks every byte
        except pa.ArrowInvalid:
            nothing = pa.nulls(len(lines), pa.string())
            return np.zeros(len(lines), np.bool_), nothing, nothing
        fields = pc.split_pattern(strings, source.separator)
        good = pc.equal(pc.list_value_length(fields), width)
        padded = pc.if_else(good, fields, pa.scalar([""] * width, pa.list_(pa.string())))
        text, label = pc.list_element(padded, text_at), pc.list_element(padded, label_at)
        checks = [
            pc.less_equal(pc.binary_length(lines), source.max_record_bytes),
            pc.invert(pc.ends_with(strings, "\r")),
            pc.greater(pc.binary_length(pc.utf8_trim_whitespace(text)), 0),
            _plain(label) if known is None else pc.is_in(label, known),
        ]
        for check in checks:
            good = pc.and_(good, check)
        return good.to_numpy(zero_copy_only=False).copy(), text, label

    return split


def _plain(label: pa.Array) -> pa.Array:
    """Labels of printable ASCII without blanks: nothing around them to strip."""
    return pc.match_substring_regex(label, r"^[!-~]+$")
