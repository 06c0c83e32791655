"""Paths that Spark's own options can take.

Spark reads lists of files with commas between them, takes the names in them for patterns, and decodes and encodes them
on the way. A folder whose name none of that may touch goes by another: a link in a folder of the user's own.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from textclf.errors import TextclfError
from textclf.files import private_folder, user_folder

_PLAIN = re.compile(r"[A-Za-z0-9 /._+@=~-]*")
_LINKS = "links"


class PathError(TextclfError):
    """A path cannot be given to Spark."""


def plain_folder(folder: Path) -> Path:
    """The folder, by a name that Spark's options can take.

    Raises:
        PathError: It needs another name, and there is no place for a link.
    """
    if is_plain(folder):
        return folder
    whole = os.fsencode(folder.absolute())
    for place in _places():
        link = place / hashlib.sha256(whole).hexdigest()[:16]
        try:
            link.symlink_to(os.fsdecode(whole))
        except FileExistsError:
            if not link.is_symlink() or os.fsencode(os.readlink(link)) != whole:
                continue
        except OSError:
            continue
        return link
    raise PathError(
        "Spark's options cannot name this folder.",
        received=str(folder),
        expected="letters, digits, blanks and any of / . _ + @ = ~ - in its path",
        fix=f"move it, or make {tempfile.gettempdir()} writable: a link there would do",
    )


def is_plain(path: Path) -> bool:
    """Whether Spark's options take a path as it is."""
    return _PLAIN.fullmatch(str(path.absolute())) is not None


def _places() -> Iterator[Path]:
    """Folders for links that this user alone can write to, with plain names."""
    own = user_folder(_LINKS)
    if own is not None and is_plain(own):
        yield own
    for base in ("/tmp", "/var/tmp"):  # where HOME and TMPDIR have names that are not plain
        place = Path(base, f"textclf-{os.geteuid()}-{_LINKS}", _LINKS)
        if private_folder(place):
            yield place
