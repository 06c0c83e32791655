"""Paths that Spark's own options can take.

Spark's options for files are comma-separated lists, take the names in them for patterns, and decode and encode them. A
folder whose name would not survive that gets another one: a link in a folder of the user's own.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from textclf.common.atomic_files import private_folder, user_folder
from textclf.errors import TextclfError

_PLAIN = re.compile(r"[A-Za-z0-9 /._+@=~-]*")
_LINKS = "links"


class PathError(TextclfError):
    """A path cannot be given to Spark."""


def plain_folder(folder: Path) -> Path:
    """Return the folder, or a link to it if Spark's options cannot take its name.

    Raises:
        PathError: The folder needs a link, and there is no place for one.
    """
    if is_plain(folder):
        return folder
    for place in _places():
        link = place / _short_name(folder)
        if _linked(link, folder):
            return link
    raise _no_place(folder)


def plain_table(table: Path) -> Path:
    """Return a folder with a plain name and a link to a Delta table's log, for readers that resolve links to folders.

    Raises:
        PathError: There is no place for the folder.
    """
    for place in _places():
        folder = place / f"{_short_name(table)}-table"
        if private_folder(folder) and _linked(folder / "_delta_log", table / "_delta_log"):
            return folder
    raise _no_place(table)


def is_plain(path: Path) -> bool:
    """Whether Spark's options can take a path as it is."""
    return _PLAIN.fullmatch(str(path.absolute())) is not None


def _short_name(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]


def _linked(link: Path, aim: Path) -> bool:
    """Create a link unless it exists. Returns False if something else is in its place or it cannot be created."""
    whole = str(aim.absolute())
    try:
        link.symlink_to(whole)
    except FileExistsError:
        return link.is_symlink() and os.readlink(link) == whole
    except OSError:
        return False
    return True


def _no_place(folder: Path) -> PathError:
    return PathError(
        "This folder has a name that Spark's options and some readers cannot take.",
        received=str(folder),
        expected="letters, digits, blanks and any of / . _ + @ = ~ - in its path",
        fix=f"move the folder, or make {tempfile.gettempdir()} writable, where a link can be created",
    )


def _places() -> Iterator[Path]:
    """Yield folders for links that only this user can write to, with plain names."""
    own = user_folder(_LINKS)
    if own is not None and is_plain(own):
        yield own
    for base in ("/tmp", "/var/tmp"):  # for the case that HOME and TMPDIR have names that are not plain
        place = Path(base, f"textclf-{os.geteuid()}-{_LINKS}", _LINKS)
        if private_folder(place):
            yield place
