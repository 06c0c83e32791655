"""Read files on this machine, decompressed by their suffix as Spark does it."""

import bz2
import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from textclf.errors import InputError

CHUNK = 16 << 20  # bytes in memory at once
SPARKS_ALONE = (".lz4", ".snappy", ".deflate")
"""Suffixes of compressed files in Hadoop's own framing, which only Hadoop can decompress."""


def is_plain(path: Path) -> bool:
    """Whether a path is a file with content: not a folder, FIFO or device, and not a file of unknown size."""
    status = path.stat()
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def describe(path: Path) -> str:
    """Describe a path that is not a file with content."""
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
        return "a file without a known size, such as those in /proc: copy it" if file.read(1) else "an empty file"


def chunks(path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """Yield a file's decompressed content in pieces of at most ``size`` bytes.

    Raises:
        InputError: The file's suffix names a compression, but the file is not compressed that way or is damaged.
        OSError: The file cannot be opened or read.
    """
    try:
        with _opened(path) as file:
            while data := file.read(size):
                yield data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is None:  # raised by the decompressor, not by the operating system
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
        expected="a complete file, compressed as its suffix says",
        fix="rename the file if it is not compressed, or fetch it again",
    )
