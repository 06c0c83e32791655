"""The architectures of the package: each class in this folder that has a name."""

import difflib
import sys

from textclf.common.discovery import named_classes
from textclf.errors import UsageError
from textclf.models.base import Architecture

ARCHITECTURES: dict[str, Architecture] = {
    name: found()
    for name, found in named_classes(sys.modules["textclf.models"], Architecture).items()  # type: ignore[type-abstract]
}
"""One instance of each architecture by its name."""


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UsageError: There is none; the message names the nearest and lists all.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1, cutoff=0.5)
        raise UsageError(
            "There is no such architecture.",
            received=name,
            expected=f"one of: {', '.join(sorted(ARCHITECTURES))}",
            fix=f"did you mean {near[0]}?" if near else None,
        )
    return ARCHITECTURES[name]
