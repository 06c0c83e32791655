"""One change of a model's champions at a time: each reads the file, then writes it.

On a local disk the system locks a file, for threads, processes and, over NFS 4, machines; who is killed holds it no
longer. Elsewhere each writer puts a claim of its own beside the file, then looks: who finds another's steps back and
tries again, and two cannot both find only their own. A claim that is much older than one's own, by the storage's own
clock, is of a writer that was killed, and is removed. A writer that stood still for longer than that loses its turn
and may write over the next one's change: object stores know no lock, and Arrow no conditional write.
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

_STALE = 60.0  # seconds after which a claim is of a writer that is gone: a turn is two requests
_WAIT = 120.0  # seconds at most for one's turn
_PAUSE = 0.05
_UNKNOWN = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
"""What a file system without locks answers; the last is that of NFS, where a file may not be written to."""


@contextmanager
def champions_locked(system: fs.FileSystem, folder: str) -> Iterator[None]:
    """Within it no other writer changes the champions of the model in that folder.

    Raises:
        ArtifactError: It was never this writer's turn.
    """
    with ExitStack() as stack:
        if system.type_name != "local" or not _file_locked(folder, stack):
            stack.enter_context(_claimed(system, f"{folder}/.champion-claims"))
        yield


def _file_locked(folder: str, stack: ExitStack) -> bool:
    """Lock a file until the stack is closed; False where the file system knows no locks."""
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
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o644)  # NFS locks only what may be written to
    except PermissionError:
        if not os.path.exists(path):
            raise
        return os.open(path, os.O_RDONLY)  # another user's file: local disks lock it all the same


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
    """Whether there is no other claim; those of writers that are gone are removed."""
    found = system.get_file_info(fs.FileSelector(claims))
    own = next((info.mtime_ns or 0 for info in found if info.path.endswith(mine.rpartition("/")[2])), 0)
    others = [info for info in found if info.is_file and not info.path.endswith(mine.rpartition("/")[2])]
    for info in others:
        if own - (info.mtime_ns or own) > _STALE * 1e9:
            _remove(system, info.path)
    return not others  # after a removal too: another may have looked before it


def _remove(system: fs.FileSystem, path: str) -> None:
    with suppress(FileNotFoundError):  # another writer has, of one that stood still its own, too
        system.delete_file(path)


def _pause(place: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise ArtifactError(
            "The champion of a model could not be changed.",
            received=f"other writers at {place} for {_WAIT:g} seconds",
            expected="a turn",
            fix="try again when nothing else promotes the model",
        )
    time.sleep(random.uniform(0.2, 1.0) * _PAUSE)  # else writers in step would collide again and again
