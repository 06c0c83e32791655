"""The rules for reading a file as keys of the pipeline file."""

from typing import Any

from tests.soak.reference_reader import Rules


def source_keys(rules: Rules) -> dict[str, Any]:
    """Return the keys of ``[[sources]]`` that express the rules."""
    keys: dict[str, Any] = {"format": rules.format, "max_record_bytes": rules.max_record_bytes}
    keys |= {"text": rules.text, "label": rules.label}
    if rules.format != "parquet":
        keys["encoding"] = rules.encoding
    if rules.labels is not None:
        keys["labels"] = list(rules.labels)
    if rules.format == "text":
        keys["pattern"] = rules.pattern
    if rules.format in ("csv", "tsv"):
        keys |= {"quoting": rules.quoting, "delimiter": rules.delimiter, "header": rules.header}
        if not rules.header:
            keys["columns"] = list(rules.columns)
        if rules.escape is not None:
            keys["escape"] = rules.escape
    return keys
