"""Try whether a storage does what jobs need of it, in a folder that is removed again."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from textclf.cli.source_check import Check
from textclf.common.file_systems import file_system, hadoop_files, replace_in
from textclf.common.secrets import first_line

if TYPE_CHECKING:
    from pyarrow import fs

_ONCE = "create once"
_CLOCK = 10.0  # seconds: claims and staged files are judged by the storage's clock, in minutes


def storage_works(name: str, location: str, clock: Callable[[], float] = time.time) -> Check:
    """Write, replace, create once, list, rename and delete files at a location, and compare the clocks.

    Args:
        name: Name of the check.
        location: Path or URL of a folder, which need not exist.
        clock: Clock of this machine, in seconds since 1970.
    """
    fix = "check this user's permissions there, and the settings of the storage: docs/manual/clusters.md"
    try:
        system, base = file_system(location)
    except (OSError, ValueError) as error:
        return Check(name, "wrong", f"{location}: {first_line(error)}", fix)
    folder = f"{base}/_textclf_check_{uuid4().hex}"
    done: list[str] = []
    new = False
    try:
        new = system.get_file_info(base).type.name == "NotFound"
        for step in _steps(system, folder):
            done.append(step)
        off = _seconds_ahead(system, folder, clock)
    except (OSError, ValueError, AssertionError) as error:
        after = f", after it could {', '.join(done)}" if done else ""
        return Check(name, "wrong", f"{location}: {first_line(error)}{after}", fix)
    finally:
        with suppress(OSError):
            system.delete_dir(folder)
            if new and not _names(system, base):
                system.delete_dir(base)
    able = f"{location}: can {', '.join(done)}; its clock is {abs(off):.1f} s {'ahead' if off > 0 else 'behind'}"
    if abs(off) > _CLOCK:
        return Check(name, "note", able, "set this machine's clock by NTP: files seem older or newer than they are")
    if _ONCE not in done:
        return Check(name, "note", f"{able}; it cannot create a file only once", "let one driver at a time write there")
    return Check(name, "ok", able)


def _steps(system: "fs.FileSystem", folder: str) -> Iterator[str]:
    """Do one thing after the other; yield what worked.

    Raises:
        OSError: The storage refused something.
        AssertionError: It did something else than was asked for.
    """
    file, other = f"{folder}/file", f"{folder}/other"
    for step, data in (("write", b"first"), ("replace", b"second")):
        replace_in(system, file, data)
        with system.open_input_stream(file, compression=None) as stream:
            found = stream.read()
        if found != data:
            raise AssertionError(f"read {found!r} after {data!r} had been written")
        yield step
    if _creates_once(system, file):
        yield _ONCE
    _expect(system, folder, ["file"], "where there is one file")
    yield "list"
    system.move(file, other)
    _expect(system, folder, ["other"], "after file had been renamed to other")
    yield "rename"
    system.delete_file(other)
    _expect(system, folder, [], "after the file had been deleted")
    yield "delete"


def _expect(system: "fs.FileSystem", folder: str, expected: list[str], when: str) -> None:
    if (names := _names(system, folder)) != expected:
        raise AssertionError(f"listed {names} {when}")


def _creates_once(system: "fs.FileSystem", there: str) -> bool:
    """Whether the storage refuses to create a file that is there, in one step with its creation."""
    files = hadoop_files(system)
    try:
        if files is not None:
            files.create_once(there, b"third")
        elif system.type_name == "local":
            Path(there).open("x").close()
    except FileExistsError:
        return True
    except OSError:
        return False
    return False  # created nevertheless, or by Arrow, which has no conditional write


def _names(system: "fs.FileSystem", folder: str) -> list[str]:
    from pyarrow import fs

    return sorted(info.base_name for info in system.get_file_info(fs.FileSelector(folder, allow_not_found=True)))


def _seconds_ahead(system: "fs.FileSystem", folder: str, clock: Callable[[], float]) -> float:
    """By how many seconds the storage's clock is ahead of this machine's, beyond the time that a write takes."""
    begun = clock()
    replace_in(system, f"{folder}/clock", os.urandom(1))
    ended, written = clock(), (system.get_file_info(f"{folder}/clock").mtime_ns or 0) / 1e9
    return min(written - begun + 1, 0.0) or max(written - ended, 0.0)  # S3 gives whole seconds
