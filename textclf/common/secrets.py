"""Mask secrets: places and free text leave the process only through ``masked``.

Places are paths and URLs. Free text means errors, reasons and log lines. Names of sources, models, labels and columns,
and keys, figures and digests are read back later, so they are stored as they are, whatever the environment holds.
"""

import html
import json
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from textclf.common.credentials import HIDDEN, credentials, without_credentials

_SHORTEST = 6  # characters; a shorter value would match parts of ordinary words. Inside an address it is still hidden
_KNOWN: dict[str, str] = {}  # for the whole process, because errors of any part may hold a value
_VALUES: dict[str, str] = {}  # by ``${NAME}``: two variables may have the same value
_FORMS: dict[str, str] = {}  # the values, and how they are written in JSON, a URL, HTML or Python's repr
_PATTERN: dict[str, re.Pattern[str]] = {}  # of all forms; rebuilt after a value is added by any thread
_GUARD = threading.Lock()  # no value may be added between reading the forms and building their pattern
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def remember(name: str, value: str) -> None:
    """Mask the value of this environment variable from now on."""
    _VALUES[f"${{{name}}}"] = value
    _add(value, f"${{{name}}}")


def remember_credentials(text: str) -> None:
    """Mask the passwords and keys of an address in the pipeline file, also where they appear outside the address."""
    for secret in credentials(text):
        if secret not in _KNOWN:
            _add(secret, HIDDEN)


def masked(value: Any) -> Any:
    """Replace each remembered value by ``${NAME}`` and remove the credentials of addresses.

    Args:
        value: Place or free text, or lists and dictionaries of such. Keys of dictionaries are names and stay; values
            of other types stay as well.
    """
    if isinstance(value, str):
        return without_credentials(_replaced(value))
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value


def first_line(error: BaseException, longest: int = 300, *, named: bool = False) -> str:
    """Return the first line of an exception's message, masked before it is cut, so that no part of a secret remains.

    For an exception from Java this is Java's message without its stack.

    Args:
        error: The exception.
        longest: Number of characters after which the line is cut.
        named: Whether to begin with the exception's type.
    """
    java = getattr(error, "java_exception", None)
    said = str(error if java is None else java.toString())
    text = masked(f"{type(error).__name__}: {said}" if named else said)
    return str(text).partition("\n")[0][:longest]


def unmasked(text: str) -> str:
    """Restore a place that ``masked`` gave, so that it can be opened; this requires the same pipeline file."""
    return _PLACEHOLDER.sub(lambda found: _VALUES.get(found[0], found[0]), text)


def written_forms(place: str) -> list[str]:
    """Return all forms in which a run record may hold a place: masked, as the release before wrote it, and plain."""
    before = place
    for secret in sorted((each for each, name in tuple(_KNOWN.items()) if name != HIDDEN), key=len, reverse=True):
        before = before.replace(secret, _KNOWN[secret])
    return list(dict.fromkeys((masked(place), before, place)))


def opened(written: str, places: Iterable[str]) -> str:
    """Return the place that a run record names: the one of ``places`` with that form, otherwise ``unmasked``."""
    return next((place for place in places if written in written_forms(place)), None) or unmasked(written)


def _add(value: str, name: str) -> None:
    if len(value) < _SHORTEST or _KNOWN.get(value) == name:
        return
    forms = {form: name for form in _forms(value) if len(form) >= _SHORTEST}
    with _GUARD:
        _KNOWN[value] = name
        _FORMS.update(forms)
        _PATTERN.clear()


def _replaced(text: str) -> str:
    if not _FORMS:
        return text
    pattern = _PATTERN.get("all") or _of_all_forms()
    return pattern.sub(lambda found: _FORMS.get(found[0], found[0]), text)


def _of_all_forms() -> re.Pattern[str]:
    with _GUARD:
        # The longest comes first, because one value may be part of another. Names that are already in the text stay,
        # even if a value is part of one, and replaced text is not searched again.
        every = sorted({*_FORMS, *_KNOWN.values()}, key=len, reverse=True)
        pattern = _PATTERN["all"] = re.compile("|".join(map(re.escape, every)))
    return pattern


_WRITERS: tuple[Callable[[str], str], ...] = (
    lambda value: quote(value, safe=""),
    lambda value: quote(value, safe="/"),
    quote_plus,
    html.escape,
    lambda value: json.dumps(value)[1:-1],
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    lambda value: repr(value)[1:-1],
    lambda value: repr(value + "\"'")[1:-4],  # beside both kinds of quotes, which repr then escapes
    lambda value: ascii(value)[1:-1],
)


def _forms(value: str) -> set[str]:
    """Return a value as written in a URL, in HTML, in JSON and in Python's repr, and in one of these within another."""
    found = {value}
    for _ in range(2):
        found |= {write(each) for each in found for write in _WRITERS}
    return found
