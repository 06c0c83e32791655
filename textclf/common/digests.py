"""SHA-256 digests of plain values, which are stored and compared between runs."""

import hashlib
import json
from collections.abc import Callable
from typing import Any


def json_digest(value: Any, *, sort_keys: bool = False, default: Callable[[Any], Any] | None = None) -> str:
    """Compute the SHA-256, in hexadecimal, of a value's JSON text.

    Stored digests stay comparable only while each caller keeps its arguments: another order of keys gives another text.

    Args:
        value: Value that ``json.dumps`` can write, with the help of ``default``.
        sort_keys: Whether to sort the keys of mappings.
        default: Function that replaces a value that JSON cannot represent, as in ``json.dumps``.

    Raises:
        TypeError: JSON cannot represent a value, and there is no ``default``.

    Example:
        >>> json_digest({"b": 1, "a": 2}, sort_keys=True) == json_digest({"a": 2, "b": 1})
        True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=sort_keys, default=default).encode()).hexdigest()
