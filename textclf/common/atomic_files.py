"""Files that are replaced in one step, and such that tell when they are damaged."""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

OWN = 0o644
"""Permissions of a file that its owner alone may write, before the process' umask takes some away."""
PRIVATE = 0o600
"""Permissions of a file that only its owner may read, as of what processes of one user share."""

_NAMES = 10  # folders among temporary files that are tried
_DIGEST = hashlib.sha256().digest_size


@contextmanager
def made_aside(path: Path) -> Iterator[Path]:
    """A name beside ``path`` for a file or folder to be made under, which takes the place of ``path`` at the end.

    After an error what was made is removed, and ``path`` stays as it was. A folder replaces an empty one only.

    Raises:
        OSError: It cannot take that place.
    """
    # A name may be as long as the file system allows, and the one aside is longer.
    aside = path.parent / f".{path.name[:40]}{uuid4().hex}"
    try:
        yield aside
        aside.replace(path)
    except BaseException:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: str | bytes, mode: int = OWN) -> None:
    """Write a file, text as UTF-8: whoever looks at it sees the old one or the new one, never half of either.

    Folders on the way are made.

    Args:
        mode: The file's permissions, of which the process' umask takes some away, as of every file; by default
            everybody may read it whom the umask lets.

    Raises:
        OSError: It cannot be written there; the old one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        made_aside(path) as aside,
        open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file,
    ):
        file.write(content.encode() if isinstance(content, str) else content)


def replace_checked(path: Path, content: bytes, mode: int = OWN) -> None:
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


def umask() -> int:
    """The permissions that this process takes away from each new file."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))
    except (OSError, StopIteration):  # elsewhere it is told only to who sets it
        found = os.umask(0o077)
        os.umask(found)
        return found


def has_home() -> bool:
    """Whether this user has a home that files can go to; others would go where every user's do."""
    home = os.path.expanduser("~")  # stays as it is for a user that the system does not know
    return os.path.isabs(home) and os.access(home, os.W_OK | os.X_OK)


def has_account() -> bool:
    """Whether the system knows this user, as it does not in a container that runs under any number."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def user_folder(name: str) -> Path | None:
    """A folder of that name that this user alone can write to: in the user's cache, else among temporary files.

    None where neither can be made.
    """
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Others may have made a folder of that name among temporary files, on purpose or not: the next name is as good.
    bases = [f"textclf-{os.geteuid()}{suffix}" for suffix in ("", *(f"-{number}" for number in range(1, _NAMES)))]
    candidates = [Path(tempfile.gettempdir(), base, name) for base in bases]
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
