"""Labels of Python programs: convert them to classes of one type, to text in a manifest, and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.common.arrays import Int32
from textclf.errors import DataError

Classes = npt.NDArray[Any]
_EXPECTED = "strings, whole numbers of up to 64 bits, whole floats or booleans, all of one type"
_FIX = "drop rows without a label, and convert other labels to strings: [str(label) for label in y]"
_NUMPY = {"int": "int64", "float": "float64"}
"""Numpy's types by their name in a manifest, where the names differ."""
_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_FLOATS = ["float16", "float32", "float64"]
_SHOWN = 60  # characters of a label in a message


def find_classes(given: Any) -> tuple[Classes, Int32]:
    """Find the distinct labels, sorted, shape (labels,), and the number of each row's label, shape (n,).

    Args:
        given: Labels of one type, shape (n,): strings, integers of up to 64 bits, whole floats or booleans.

    Raises:
        DataError: Labels are missing, days, bytes, fractions or of several types; or strings are empty, contain U+0000
            or cannot be encoded as UTF-8.

    Example:
        >>> classes, numbers = find_classes(["+", "-", "+"])
        >>> classes.tolist(), numbers.tolist()
        (['+', '-'], [0, 1, 0])
    """
    labels = _array(given)
    found = _typed(labels.tolist()) if labels.dtype.kind in "OTU" else labels
    if isinstance(found, list):
        names = sorted(set(found))
        for name in names:
            _check_text(name, found)
        places = {name: number for number, name in enumerate(names)}
        return np.array(names, np.str_), np.array([places[name] for name in found], np.int32)
    if found.dtype.kind == "f":
        _check_whole(found)
    if found.dtype.name not in ("bool", *_INTEGERS, *_FLOATS):
        raise _refused(f"labels of type {found.dtype}")
    classes, numbers = np.unique(found, return_inverse=True)
    return classes, numbers.astype(np.int32)


def type_name(classes: Classes) -> str:
    """Return the name of the classes' type for the manifest."""
    name = str(classes.dtype.name)
    return "str" if classes.dtype.kind == "U" else next((known for known in _NUMPY if _NUMPY[known] == name), name)


def restore_classes(labels: Sequence[str], name: object) -> Classes:
    """Restore the classes of a manifest's labels, in their order.

    Args:
        labels: Labels of the manifest.
        name: Name of the type, from ``type_name``.

    Raises:
        ValueError: The type does not exist, a label does not have it, or two labels are equal.

    Example:
        >>> restore_classes(["False", "True"], "bool").tolist(), restore_classes(["1", "20"], "int").tolist()
        ([False, True], [1, 20])
    """
    dtype = _NUMPY.get(str(name), str(name))
    classes: Classes
    if dtype == "str":
        classes = np.array(labels, np.str_)
    elif dtype == "bool" and set(labels) == {"False", "True"}:
        classes = np.array([label == "True" for label in labels])
    elif dtype in _INTEGERS:
        numbers = [int(label) for label in labels]
        beyond = name == "int" and max(numbers) >= 1 << 63  # the first release wrote "int" for unsigned numbers, too
        classes = np.array(numbers, np.uint64 if beyond else dtype)
    elif dtype in _FLOATS:
        classes = np.array([float(label) for label in labels], dtype)
        _check_whole(classes)
    else:
        raise ValueError(f"label_type {name!r:.60} and labels {list(labels)!r:.60}")
    if len(set(classes.tolist())) < len(labels):
        raise ValueError(f"labels {list(labels)!r:.60} of type {name}")
    return classes


def _array(given: Any) -> Classes:
    """Return the labels as a one-dimensional array; a list as objects, since numpy would turn mixed types into text."""
    from sklearn.utils.validation import column_or_1d

    if given is None:
        raise DataError("Classifier requires y to be passed, but the target y is None.")
    if np.ma.is_masked(given):
        raise _refused(f"masked labels, the first in row {int(np.flatnonzero(np.ma.getmaskarray(given))[0])}")
    try:
        if not hasattr(given, "__array__"):
            items = list(given)
            if not any(isinstance(item, list | tuple | np.ndarray) for item in items):
                found = np.empty(len(items), object)
                for row, item in enumerate(items):
                    found[row] = item
                return found
        return np.asarray(column_or_1d(np.asarray(given), warn=True))
    except (TypeError, ValueError) as error:
        raise _refused(f"{type(given).__name__}: {error}") from error


def _typed(items: Sequence[Any]) -> list[str] | Classes:
    """Check that objects have one type; return strings as a list, others as an array."""
    plain = [item.item() if isinstance(item, np.generic) else item for item in items]
    first: dict[type, int] = {}
    for row, item in enumerate(plain):
        if _missing(item):
            raise _refused(f"no label in row {row}: {items[row]!r:.60}")
        if type(item) not in (str, int, float, bool):
            raise _refused(f"a label of type {type(item).__name__} in row {row}: {items[row]!r:.60}")
        first.setdefault(type(item), row)
    if len(first) > 1:
        named = " and ".join(f"{kind.__name__} in row {row}" for kind, row in first.items())
        raise _refused(f"labels of several types, {named}")
    kind = next(iter(first), str)
    if kind is str:
        return plain
    if kind is int:
        return np.array(plain, _integers(min(plain), max(plain)))
    return np.array(plain, np.float64 if kind is float else np.bool_)


def _missing(item: Any) -> bool:
    """Whether a label is missing: None, NaN, NaT or pandas' NA."""
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(item, float) and item != item


def _integers(low: int, high: int) -> type[np.int64] | type[np.uint64]:
    for kind in (np.int64, np.uint64):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    raise _refused(f"whole numbers of more than 64 bits, from {low!s:.60} to {high!s:.60}")


def _check_text(name: str, labels: list[str]) -> None:
    what = "an empty label" if not name else "a label with U+0000" if "\0" in name else ""
    try:
        name.encode()
    except UnicodeEncodeError:
        what = "a label with half a surrogate pair, which UTF-8 cannot encode,"
    if what:
        raise _refused(f"{what} in row {labels.index(name)}: {name[:_SHOWN]!r}")


def _check_whole(labels: Classes) -> None:
    for what, wrong in (("no label", np.isnan(labels)), ("infinity", np.isinf(labels))):
        if wrong.any():
            raise _refused(f"{what} in row {int(np.flatnonzero(wrong)[0])}")
    wrong = np.flatnonzero(labels != np.trunc(labels))
    if len(wrong):
        raise _refused(f"a continuous target, {labels[wrong[0]]} in row {wrong[0]}")


def _refused(received: str) -> DataError:
    return DataError("These labels cannot be learned.", received=received, expected=_EXPECTED, fix=_FIX)
