"""The same files read by Python's ``csv`` and ``json`` modules, where these follow the same rules."""

import csv
import io
import json
import re

from tests.soak.reference_reader import MARK, Reading, Rules, checked, lines_of, without_return

_STRUCTURE = {"malformed_csv", "unclosed_quote", "oversized_record", "undecodable_bytes"}


def library_difference(data: bytes, rules: Rules, reading: Reading) -> str | None:
    """Return how Python's reader differs from the reference; None if it agrees or does not apply."""
    if rules.format == "jsonl":
        return _json_difference(data, rules, reading)
    if rules.quoting and rules.escape is None and len(rules.delimiter) == 1:
        return _csv_difference(data, rules, reading)
    return None


def _csv_difference(data: bytes, rules: Rules, reading: Reading) -> str | None:
    """Compare with the csv module, for files without an escape character whose records are all well-formed.

    The csv module ends a record at a lone carriage return, unlike the rules, so files that contain one are skipped.
    """
    if any(record.reason in _STRUCTURE for record in reading.records):
        return None
    data = data.removeprefix(MARK)
    if re.search(rb"\r(?!\n)", data):
        return None
    found = list(
        csv.reader(io.StringIO(data.decode(rules.encoding), newline=""), delimiter=rules.delimiter, strict=True)
    )
    records, columns = found[rules.header :], reading.header or rules.columns
    if len(records) != len(reading.records):
        return f"csv finds {len(records)} records"
    for fields, record in zip(records, reading.records, strict=True):
        if len(fields) == len(columns):
            outcome = checked(fields[columns.index(rules.text)], fields[columns.index(rules.label)], rules)
            if outcome != record[1:4]:
                return f"csv reads {outcome} in record {record.position}"
        elif record.reason not in ("blank_record", "missing_column", "extra_column"):
            return f"csv finds {len(fields)} fields in record {record.position}"
    return None


def _json_difference(data: bytes, rules: Rules, reading: Reading) -> str | None:
    lines = lines_of(data.removeprefix(MARK))
    for line, record in zip(lines, reading.records, strict=True):
        if record.reason is None:
            value = json.loads(without_return(line).decode(rules.encoding))
            same = isinstance(value[rules.label], str) and value[rules.label].strip() == record.label
            if value[rules.text] != record.text or (isinstance(value[rules.label], str) and not same):
                return f"json reads {value} in record {record.position}"
    return None
