"""Files that are replaced in one step, and such that tell when they are damaged."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

PRIVATE = 0o600
"""Permissions of a file that only its owner may read, as of what processes of one user share."""

_DIGEST = hashlib.sha256().digest_size


def replace_file(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file, text as UTF-8: whoever looks at it sees the old one or the new one, never half of either.

    Folders on the way are made.

    Args:
        mode: The file's permissions; by default everybody may read it.

    Raises:
        OSError: It cannot be written there; the old one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name may be as long as the file system allows, and the one aside is longer.
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.chmod(aside, mode)
        os.replace(aside, path)
    except OSError:
        Path(aside).unlink(missing_ok=True)
        raise


def replace_checked(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file as ``replace_file`` does, for ``read_checked``: after the content's SHA-256.

    Raises:
        OSError: It cannot be written there; the old one stays.
    """
    replace_file(path, hashlib.sha256(content).digest() + content, mode)


def read_checked(path: Path) -> bytes | None:
    """The content of a file of ``replace_checked``; None where it cannot be read or is not what was written."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_DIGEST:]
    return content if hashlib.sha256(content).digest() == data[:_DIGEST] else None


def user_folder(name: str) -> Path | None:
    """A folder of that name that this user alone can write to: in the user's cache, else among temporary files.

    None where neither can be made.
    """
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    candidates = [Path(tempfile.gettempdir(), f"textclf-{os.geteuid()}", name)]
    if os.path.isabs(caches):  # no HOME and a user that the system does not know: the ~ stays as it is
        candidates.insert(0, Path(caches, "textclf", name))
    return next((folder for folder in candidates if private_folder(folder)), None)


def private_folder(folder: Path, *, trusted_parent: bool = False) -> bool:
    """Make a folder that this user alone can write to; False where there is another or none can be made.

    Args:
        trusted_parent: Do not ask who else can write to the folder that it is in, and so put another in its place.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        checked = [folder.lstat()] if trusted_parent else [folder.lstat(), folder.parent.lstat()]
    except OSError:
        return False
    mine = all(each.st_uid == os.geteuid() and not each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in checked)
    return mine and stat.S_ISDIR(checked[0].st_mode) and os.access(folder, os.W_OK | os.X_OK)
