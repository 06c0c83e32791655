"""Values that the environment put into a pipeline file, kept out of everything that is written down."""

from typing import Any

_SHORTEST = 6  # characters: a shorter value is no secret, and would be found in every other word
_KNOWN: dict[str, str] = {}  # of the process, because errors of any part may hold a value


def remember(name: str, value: str) -> None:
    """Mask the value of this environment variable from now on."""
    if len(value) >= _SHORTEST:
        _KNOWN[value] = f"${{{name}}}"


def masked(value: Any) -> Any:
    """A text with ``${NAME}`` in the place of each remembered value; the same in lists and dictionaries."""
    if isinstance(value, str):
        for secret in sorted(_KNOWN, key=len, reverse=True):  # a value may be part of another
            value = value.replace(secret, _KNOWN[secret])
        return value
    if isinstance(value, dict):
        return {masked(key): masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value


def unmasked(text: str) -> str:
    """A text that ``masked`` gave, as it was: a record's places can be opened again with the same pipeline file."""
    for value, name in _KNOWN.items():
        text = text.replace(name, value)
    return text
