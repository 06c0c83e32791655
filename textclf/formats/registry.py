"""The formats of the package: each class in this folder that has a name."""

import sys

from textclf.common.discovery import named_classes
from textclf.formats.base import LineFormat, SourceFormat

FORMATS: dict[str, SourceFormat] = {
    name: found() for name, found in named_classes(sys.modules["textclf.formats"], SourceFormat).items()
}
"""One instance of each format by its name."""


def line_format(name: str) -> LineFormat:
    """The format of that name, of one record a line.

    Raises:
        TypeError: Its records are rows with columns.
    """
    found = FORMATS[name]
    if not isinstance(found, LineFormat):
        raise TypeError(f"Expected a format of one record a line, received {name}.")
    return found
