"""A lock for changes of a model's champions, since each change reads the file and then writes it.

On a local disk this is a file lock of the operating system. It works between threads, processes and, over NFS 4,
machines, and a killed process releases it. On other storage each writer puts its own claim beside the file and then
lists the claims. A writer that finds another claim removes its own and tries again; two writers cannot both find only
their own. A claim that is much older than one's own, by the storage's clock, belongs to a killed writer and is removed.
A writer that is suspended for longer than that loses its turn and may overwrite the next writer's change, because
object stores have no locks and Arrow has no conditional write.
"""

import errno
import fcntl
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from uuid import uuid4

from pyarrow import fs

from textclf.errors import ArtifactError

_STALE = 60.0  # seconds after which a claim's writer is taken for dead: a turn takes two requests
_WAIT = 120.0  # most seconds to wait for the lock
_PAUSE = 0.05
_UNKNOWN = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
"""Errors of file systems without locks; the last one is that of NFS for a file without write permission."""


@contextmanager
def champions_locked(system: fs.FileSystem, folder: str) -> Iterator[None]:
    """Hold the lock on the champions of the model in a folder.

    Raises:
        ArtifactError: The lock was not free within 120 seconds.
    """
    with ExitStack() as stack:
        if system.type_name != "local" or not _file_locked(folder, stack):
            stack.enter_context(_claimed(system, f"{folder}/.champion-claims"))
        yield


def _file_locked(folder: str, stack: ExitStack) -> bool:
    """Lock a file until the stack is closed; return False if the file system has no locks."""
    handle = _opened(f"{folder}/.champion-lock")
    stack.callback(os.close, handle)
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _pause(folder, deadline)
        except OSError as error:
            if error.errno not in _UNKNOWN:
                raise
            return False
        else:
            return True


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o644)  # NFS locks only writable files
    except PermissionError:
        if not os.path.exists(path):
            raise
        return os.open(path, os.O_RDONLY)  # another user's file; local disks lock it nevertheless


@contextmanager
def _claimed(system: fs.FileSystem, claims: str) -> Iterator[None]:
    mine = f"{claims}/{uuid4().hex}"
    deadline = time.monotonic() + _WAIT
    system.create_dir(claims, recursive=True)
    while True:
        with system.open_output_stream(mine, compression=None) as stream:
            stream.write(b"")
        if _alone(system, claims, mine):
            break
        _remove(system, mine)
        _pause(claims, deadline)
    try:
        yield
    finally:
        _remove(system, mine)


def _alone(system: fs.FileSystem, claims: str, mine: str) -> bool:
    """Whether there is no other claim; removes the claims of dead writers."""
    found = system.get_file_info(fs.FileSelector(claims))
    own = next((info.mtime_ns or 0 for info in found if info.path.endswith(mine.rpartition("/")[2])), 0)
    others = [info for info in found if info.is_file and not info.path.endswith(mine.rpartition("/")[2])]
    for info in others:
        if own - (info.mtime_ns or own) > _STALE * 1e9:
            _remove(system, info.path)
    return not others  # also after a removal: another writer may have listed the claims before it


def _remove(system: fs.FileSystem, path: str) -> None:
    with suppress(FileNotFoundError):  # another writer removed it, which may happen to one's own claim, too
        system.delete_file(path)


def _pause(place: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise ArtifactError(
            "The champion of a model could not be changed.",
            received=f"other writers at {place} for {_WAIT:g} seconds",
            expected="a moment without other writers",
            fix="try again when no other process promotes the model",
        )
    time.sleep(random.uniform(0.2, 1.0) * _PAUSE)  # random, since writers in step would collide again and again
