"""The one function through which places and free text leave the process.

Places are paths and URLs; free text is errors, reasons and lines of a log. Names of sources, models, labels and
columns, keys, figures and digests are read back, and are stored as they are, whatever the environment holds.
"""

import html
import json
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from textclf.common.credentials import HIDDEN, credentials, without_credentials

_SHORTEST = 6  # characters: a shorter value would be found in every other word; inside of an address it is hidden too
_KNOWN: dict[str, str] = {}  # of the process, because errors of any part may hold a value
_VALUES: dict[str, str] = {}  # by ``${NAME}``: two variables may have the same
_FORMS: dict[str, str] = {}  # the same and what they look like inside of JSON, a URL, HTML or Python's repr
_PATTERN: dict[str, re.Pattern[str]] = {}  # of all forms; made anew where a value has come, from any thread
_GUARD = threading.Lock()  # no value comes between a look at the forms and the pattern of them
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def remember(name: str, value: str) -> None:
    """Mask the value of this environment variable from now on."""
    _VALUES[f"${{{name}}}"] = value
    _add(value, f"${{{name}}}")


def remember_credentials(text: str) -> None:
    """Mask the passwords and keys of an address in the pipeline file wherever they come alone."""
    for secret in credentials(text):
        if secret not in _KNOWN:
            _add(secret, HIDDEN)


def masked(value: Any) -> Any:
    """A place or free text with ``${NAME}`` for each remembered value, and without credentials of addresses.

    The same for each text in lists and in the values of dictionaries; keys are names and stay.
    """
    if isinstance(value, str):
        return without_credentials(_replaced(value))
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value


def first_line(error: BaseException, longest: int = 300, *, named: bool = False) -> str:
    """The first line of what an exception says, masked before it is cut: part of a secret would be found no more.

    Of one that Java has thrown, Java's words, without its stack.

    Args:
        named: Begin with the exception's type.
    """
    java = getattr(error, "java_exception", None)
    said = str(error if java is None else java.toString())
    text = masked(f"{type(error).__name__}: {said}" if named else said)
    return str(text).partition("\n")[0][:longest]


def unmasked(text: str) -> str:
    """A place that ``masked`` gave, as it was: it can be opened again with the same pipeline file."""
    return _PLACEHOLDER.sub(lambda found: _VALUES.get(found[0], found[0]), text)


def written_forms(place: str) -> list[str]:
    """All that a record may hold of a place: what ``masked`` gives, what the release before wrote, the place itself."""
    before = place
    for secret in sorted((each for each, name in tuple(_KNOWN.items()) if name != HIDDEN), key=len, reverse=True):
        before = before.replace(secret, _KNOWN[secret])
    return list(dict.fromkeys((masked(place), before, place)))


def opened(written: str, places: Iterable[str]) -> str:
    """The place that a record names: the one of these that it was written of, else ``unmasked``."""
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
        # The longest goes first, because one value may be part of another. Names that are there already stay, also
        # where a value is part of one, and nothing that has been put in is looked at again.
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
    """A value and what it looks like in a URL, in HTML, in JSON and in Python's repr, and in one within another."""
    found = {value}
    for _ in range(2):
        found |= {write(each) for each in found for write in _WRITERS}
    return found
