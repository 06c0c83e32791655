"""Read text and label from one JSON object."""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from textclf.formats.number_labels import number_label
from textclf.formats.reject_reasons import Reason

Picked = tuple[str | None, str | None] | Reason


class _Object(dict[str, Any]):
    """A JSON object that knows which of its names appear more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = {name for name, count in Counter(name for name, _ in pairs).items() if count > 1}


class _Digits(str):
    """A JSON number as it is written in the file."""


# NaN and Infinity are not JSON, but Python writes them: outside text and label they do not make a record invalid.
_DECODERS = [
    json.JSONDecoder(),
    json.JSONDecoder(object_pairs_hook=_Object),
    json.JSONDecoder(parse_constant=_Digits, parse_float=_Digits),
    # Python refuses integers of more than 4,300 digits: read as text, they do not make a record invalid either.
    json.JSONDecoder(object_pairs_hook=_Object, parse_int=_Digits, parse_float=_Digits, parse_constant=_Digits),
]


def json_picker(text: str, label: str) -> Callable[[str], Picked]:
    """Make a function from a record to its text and label, or to a reject reason.

    Labels may be numbers and booleans. A record that names its text or label twice is invalid, because JSON readers
    differ on which value they take.

    Args:
        text: Name of the text in the object.
        label: Name of the label in the object.
    """
    read, read_pairs, read_digits, read_long = (decoder.decode for decoder in _DECODERS)
    wanted = {text, label}
    quoted = [json.dumps(name, ensure_ascii=False) for name in wanted]
    # A name may also be written with escapes. A name of simple characters needs only those that begin with \u00.
    simple = all(re.fullmatch(r"[ !#-.0-\[\]-~]+", name) for name in wanted)
    escapes = "\\u00" if simple else "\\"

    def pick(record: str) -> Picked:
        unsure = escapes in record or any(record.count(name) > 1 for name in quoted)
        try:
            try:
                value = read_pairs(record) if unsure else read(record)
            except json.JSONDecodeError:
                raise
            except ValueError:
                value = read_long(record)
            if not isinstance(value, dict) or (isinstance(value, _Object) and value.twice & wanted):
                return Reason.INVALID_JSON
            found, given = value.get(text), value.get(label)
            if isinstance(given, float):
                given = read_digits(record)[label]
        except (ValueError, RecursionError):
            return Reason.INVALID_JSON
        if isinstance(found, _Digits) or not isinstance(found, str | None):
            return Reason.INVALID_JSON
        named = _label(given)
        return named if isinstance(named, Reason) else (found, named)

    return pick


def _label(given: Any) -> str | Reason | None:
    if isinstance(given, _Digits):
        return number_label(given) or Reason.FRACTIONAL_LABEL
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int):
        return str(given)
    return given if isinstance(given, str | None) else Reason.INVALID_JSON
