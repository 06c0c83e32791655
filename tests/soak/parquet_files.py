"""Parquet files of hostile values, and their records as read by pyarrow."""

import random
from decimal import Decimal
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.soak.reference_reader import Reading, Record, Rules, checked, number_label
from tests.soak.sample_files import LABELS, NAMES, SampleFile, hostile_text

_FLOATS = (0.0, -0.0, 1.0, 2.5, 1e20, 2.0**63, float("nan"), float("inf"), 1e-320, None)
_VALUES: dict[str, tuple[pa.DataType, tuple[Any, ...]]] = {
    "text": (pa.string(), (*LABELS, None)),
    "large text": (pa.large_string(), (*LABELS, None)),
    "integer": (pa.int64(), (0, 1, -3, 2**63 - 1, -(2**63), None)),
    "small": (pa.int8(), (0, 1, -128, None)),
    "boolean": (pa.bool_(), (True, False, None)),
    "double": (pa.float64(), _FLOATS),
    "float": (pa.float32(), (0.0, 1.0, 2.5, 16777216.0, float("nan"), float("-inf"), None)),
    "decimal": (pa.decimal128(20, 2), (Decimal("1.00"), Decimal("2.50"), Decimal("-3.00"), Decimal("1e15"), None)),
}


def parquet_files(seed: int, number: int, files: int) -> list[SampleFile]:
    """Return files with one schema that are read by the same rules."""
    rng = random.Random(f"{seed}/parquet/{number}")
    limit = rng.randint(8, 120) if rng.random() < 0.3 else Rules.max_record_bytes
    labels = rng.choice((None, None, ("0", "1", "true", "positive")))
    kind = rng.choice(list(_VALUES))
    text, label = rng.choice(NAMES)
    rules = Rules("parquet", text=text, label=label, labels=labels, max_record_bytes=limit)
    return [SampleFile("parquet", number, rules, _content(rng, kind, rules), None) for _ in range(files)]


def _content(rng: random.Random, kind: str, rules: Rules) -> bytes:
    count = rng.choice((1, 2, 5, 13, 40))
    texts = [None if rng.random() < 0.05 else hostile_text(rng).encode() for _ in range(count)]
    spoilt = [text + b"\xff" if text and rng.random() < 0.03 else text for text in texts]
    type_, values = _VALUES[kind]
    table = pa.table(
        {
            "rest": pa.array([7] * count, pa.timestamp("ns")),  # a column that is not used
            rules.label: pa.array([rng.choice(values) for _ in range(count)], type_),
            rules.text: pa.array(spoilt, pa.binary()).view(pa.string()),
        }
    )
    file = BytesIO()
    pq.write_table(table, file, row_group_size=rng.choice((3, 100)), version="2.6")
    return file.getvalue()


def read_parquet(data: bytes, rules: Rules) -> Reading:
    """Return the records of a file in row order."""
    table = pq.read_table(BytesIO(data)).select([rules.text, rules.label])  # columns= treats a dot as a nested path
    texts = table[rules.text].combine_chunks().view(pa.binary()).to_pylist()
    labels = table[rules.label].to_pylist()
    records = [
        Record(at, *_outcome(text, label, rules), 0, text or b"")
        for at, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]
    return Reading(records, 0, 0, None)


def _outcome(raw: bytes | None, label: Any, rules: Rules) -> tuple[str | None, str | None, str | None]:
    if raw is None:
        return None, None, "empty_text"
    if len(raw) > rules.max_record_bytes:
        return None, None, "oversized_record"
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None, None, "undecodable_bytes"
    number = whole_label(label)
    outcome = checked(text, number, rules)
    fractional = number is None and label is not None and outcome[2] == "missing_label"
    return (None, None, "fractional_label") if fractional else outcome


def whole_label(label: Any) -> str | None:
    """Return a label as text; None for a number that is not an integer."""
    if isinstance(label, float):
        return str(int(label)) if label.is_integer() else None
    return number_label(label)
