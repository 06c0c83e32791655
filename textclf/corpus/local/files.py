"""The beginning of files on this machine, unpacked as Spark unpacks them by their names."""

import bz2
import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from textclf.errors import InputError

CHUNK = 16 << 20  # bytes that are in memory at once
SPARKS_ALONE = (".lz4", ".snappy", ".deflate")
"""Suffixes of what Hadoop packs in forms of its own, and unpacks."""


def is_plain(path: Path) -> bool:
    """Whether a path is a file with content: not a folder, FIFO or device, and not one whose size is unknown."""
    status = path.stat()
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def describe(path: Path) -> str:
    """What a path is that is not a file with content."""
    mode = path.stat().st_mode
    kinds = {
        stat.S_ISFIFO: "a FIFO",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
        stat.S_ISDIR: "a folder",
    }
    found = next((name for test, name in kinds.items() if test(mode)), None)
    if found is not None:
        return found
    with path.open("rb") as file:
        return "a file that does not say its size, as those of /proc: copy it" if file.read(1) else "an empty file"


def chunks(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """A file's content, unpacked, in pieces.

    Raises:
        InputError: It is no whole packed file, though its name says so.
        OSError: It cannot be opened or read.
    """
    try:
        with _opened(path) as file:
            while data := file.read(size):
                yield data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is None:  # not of the system, but of what unpacks
            raise _damaged(path, error) from error
        raise


def _opened(path: Path) -> BinaryIO:
    name = os.fspath(path)
    if name.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if name.endswith(".bz2"):
        return cast(BinaryIO, bz2.open(path, "rb"))
    if name.endswith(".zst"):
        import pyarrow as pa

        made: Any = pa.input_stream(name, compression="zstd")
        return cast(BinaryIO, made)
    return path.open("rb")


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be unpacked.",
        received=error,
        expected="a whole file of the kind that its name's end says",
        fix="give a file that is not packed a name that says so, or fetch it again",
    )
