"""Walk through the folders of a path by Spark's rules: which names it reads, and which it skips."""

import errno
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from textclf.common.java_classes import JavaClasses
from textclf.errors import InputError

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:(?=/)(?://[^/]*)?")
_STATUS = re.compile(
    r"path=(?P<path>.*); isDirectory=(?P<folder>true|false);"
    r"(?: length=(?P<size>\d+);.*?)? ?modification_time=(?P<time>-?\d+)",
    re.DOTALL,
)
_MARKS = re.compile(
    r"^(_SUCCESS|_started_.*|_committed_.*|_metadata|_common_metadata|_delta_log|\..*\.crc)$", re.DOTALL
)
"""Names that writers leave beside data and that hold no data."""
_AT_ONCE = 8  # folders listed in parallel, because object stores answer slowly


class Entry(NamedTuple):
    """One entry of a folder; ``size`` is in bytes and ``modified`` in milliseconds since 1970."""

    name: str
    is_folder: bool
    size: int
    modified: int


Children = Callable[[str], Iterable[Entry]]
"""Function that lists a folder, given its path; for the path of a file, it gives the file itself."""


class StoredFile(NamedTuple):
    """A file that is read.

    Attributes:
        path: Path as Hadoop writes it, such as ``file:/data/a.tsv``; nothing in it is escaped.
        folder: Folders between the listing's base and the file, joined by ``/``; empty if there are none.
        size: Size in bytes.
        modified: Time of the last change, in milliseconds since 1970.
        deep: Whether a folder that is not a partition is between the path and the file; ``recursive = false`` leaves
            such files out.
    """

    path: str
    folder: str
    size: int
    modified: int
    deep: bool = False


@dataclass
class Walk:
    """A walk through folders, level by level; the folders of a level are listed in parallel."""

    base: str
    children: Children
    recursive: bool
    what: str
    entries: list[StoredFile] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    skipped: list[tuple[str, bool]] = field(default_factory=list)
    left_out: bool = False
    _deep: set[str] = field(default_factory=set)  # folders that are not partitions, and all folders below them

    def go(self, roots: Iterable[Entry], *, named: bool) -> None:
        """Walk through the roots and everything in them.

        Args:
            roots: Entries whose names are their full paths.
            named: Whether the roots were given by name, and not matched by a pattern.
        """
        level: list[str] = []
        for root in roots:
            # A folder that was named, or matched, is opened whatever its name.
            if root.is_folder:
                level.append(root.name)
                continue
            if named and no_data(posixpath.basename(root.name)):
                raise InputError(
                    f"{self.what} cannot be read.",
                    received=f"the file {root.name}",
                    expected="a name that does not begin with _ or . (Spark skips such files)",
                    fix="rename the file",
                )
            self._file(root, root.name)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while level:
                found = list(pool.map(lambda folder: sorted(self.children(folder)), level))
                level = [path for folder, each in zip(level, found, strict=True) for path in self._inside(folder, each)]

    def _inside(self, folder: str, found: Iterable[Entry]) -> Iterator[str]:
        """Record a folder's files, and yield the subfolders to open."""
        for entry in found:
            path = f"{folder.rstrip('/')}/{entry.name}"
            if not entry.is_folder:
                self._file(entry, path)
            elif hidden(entry.name):
                self._skip(entry, path)
                if entry.name == "_delta_log":
                    self.logs.append(folder)
            elif self.recursive or is_partition(entry.name):
                if folder in self._deep or not is_partition(entry.name):
                    self._deep.add(path)
                yield path
            else:
                self.left_out = True

    def _file(self, entry: Entry, path: str) -> None:
        if no_data(posixpath.basename(path)):
            self._skip(entry, path)
            return
        check_name(path, self.what)
        folder, _, _ = self.within(path).rpartition("/")
        deep = posixpath.dirname(path) in self._deep
        self.entries.append(StoredFile(path, folder, entry.size, entry.modified, deep))

    def _skip(self, entry: Entry, path: str) -> None:
        if not _MARKS.match(posixpath.basename(path)):
            self.skipped.append((self.within(path) + "/" * entry.is_folder, entry.is_folder))

    def within(self, path: str) -> str:
        """Make a path relative to the base."""
        return path[len(self.base.rstrip("/")) + 1 :]


def path_part(location: str) -> str:
    """Return a path without scheme and host, whether written by Hadoop or in a pipeline file."""
    return posixpath.normpath(_SCHEME.sub("", location)).replace("//", "/")


def hidden(name: str) -> bool:
    """Whether Spark skips files and folders of a name; Parquet summaries (``_metadata``) it lists but does not read."""
    if name.startswith(("_metadata", "_common_metadata")):
        return False
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")


def no_data(name: str) -> bool:
    """Whether Spark reads no rows from a file of a name: it is ``hidden``, or a Parquet summary."""
    return hidden(name) or (name.startswith("_") and "=" not in name)


def is_partition(folder: str) -> bool:
    """Whether a folder's name has the form ``key=value``."""
    key, _, value = folder.partition("=")
    return bool(key and value)


def local_children(folder: str) -> Iterator[Entry]:
    """List a folder of the local file system; a ``Children`` function."""
    place = path_part(folder)
    if os.path.islink(place) and _is_within(os.path.dirname(place), place):
        raise OSError(errno.ELOOP, "a link leads to a folder above it", place)
    with os.scandir(place) as found:
        for each in found:
            try:
                status = each.stat()
            except FileNotFoundError:
                continue  # a dangling link, or deleted since; Hadoop skips it as well
            yield Entry(each.name, each.is_dir(), status.st_size, status.st_mtime_ns // 1_000_000)


def _is_within(inner: str, outer: str) -> bool:
    """Whether a folder is another folder or below it, links resolved; ``/sales2024`` is not below ``/sales2``."""
    found = os.path.realpath(outer)
    return os.path.commonpath([os.path.realpath(inner), found]) == found


def hadoop_children(spark: SparkSession, system: Any) -> Children:
    """Make the ``Children`` function of any file system that Hadoop knows."""
    jvm = JavaClasses(spark._jvm)

    def children(folder: str) -> Iterator[Entry]:
        iterator = system.listStatusIterator(jvm.org.apache.hadoop.fs.Path(folder))
        statuses = jvm.org.apache.hadoop.util.functional.RemoteIterators.toList(iterator)
        # One call for all entries: asking for attributes one by one would take a call each.
        joined = jvm.org.apache.commons.lang3.StringUtils.join(statuses, "\0")
        for at, text in enumerate(joined.split("\0") if joined else ()):
            yield _parsed(text) or asked(statuses.get(at))

    return children


def _parsed(status: str) -> Entry | None:
    """Parse an entry from the text of Hadoop's FileStatus; None if the text has another form."""
    found = _STATUS.search(status)
    if found is None or (found["folder"] == "false" and found["size"] is None):
        return None
    return Entry(
        posixpath.basename(found["path"]), found["folder"] == "true", int(found["size"] or 0), int(found["time"])
    )


def asked(status: Any) -> Entry:
    """Make an entry by asking for its attributes one by one."""
    name = status.getPath().getName()
    return Entry(name, status.isDirectory(), status.getLen(), status.getModificationTime())


def check_name(path: str, what: str) -> None:
    """Refuse a file whose name Hadoop or a table cannot represent.

    Raises:
        InputError: The name contains a colon, or bytes that are not UTF-8.
    """
    name = posixpath.basename(path)
    local = path.startswith(("file:", "/"))
    if local and ":" in name:
        # Hadoop would take the name of its checksum file, .NAME.crc, for a URL.
        raise cannot_read(what, f"a file with a colon in its name: {path}", path, "rename the file")
    if not _is_utf8(path):
        raise cannot_read(what, f"a file whose name is not UTF-8: {path!r}", path, "rename the file")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def cannot_read(what: str, received: str, given: str, fix: str = "") -> InputError:
    """Make the error for files that Spark cannot read."""
    return InputError(
        f"{what} cannot be read.",
        received=received.encode(errors="replace").decode(),
        expected="the path or URL of a file or folder, or a pattern that matches at least one",
        fix=fix or f"check the path {given!r} in the pipeline file, and that this user may read it",
    )
