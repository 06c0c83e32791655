"""SHA-256 of plain values, as it is stored and compared between runs."""

import hashlib
import json
from collections.abc import Callable
from typing import Any


def json_digest(value: Any, *, sort_keys: bool = False, default: Callable[[Any], Any] | None = None) -> str:
    """SHA-256, in hexadecimal, of a value's JSON text.

    What is stored stays comparable only while each caller keeps its arguments: another order of the keys is another
    text.

    Args:
        value: Value that ``json.dumps`` writes, with ``default``'s help.
        sort_keys: Keys of mappings in the order of their names, not in their own.
        default: As of ``json.dumps``: gives a value that it can write for one that it cannot.

    Raises:
        TypeError: JSON has no form for a value, and there is no ``default``.

    Example:
        >>> json_digest({"b": 1, "a": 2}, sort_keys=True) == json_digest({"a": 2, "b": 1})
        True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=sort_keys, default=default).encode()).hexdigest()
