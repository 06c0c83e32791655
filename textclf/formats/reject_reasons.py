"""Reject reasons of records."""

from enum import StrEnum


class Reason(StrEnum):
    """Reason for which a record is in ``corpus_rejects``."""

    BLANK_RECORD = "blank_record"
    OVERSIZED_RECORD = "oversized_record"
    UNDECODABLE_BYTES = "undecodable_bytes"
    NUL_CHARACTER = "nul_character"
    MISSING_COLUMN = "missing_column"
    EXTRA_COLUMN = "extra_column"
    MALFORMED_CSV = "malformed_csv"
    UNCLOSED_QUOTE = "unclosed_quote"
    INVALID_JSON = "invalid_json"
    NO_MATCH = "no_match"
    EMPTY_TEXT = "empty_text"
    MISSING_LABEL = "missing_label"
    FRACTIONAL_LABEL = "fractional_label"
    UNKNOWN_LABEL = "unknown_label"
