"""The files of a path: found as Spark finds them, with what it skips, before any of them is opened.

Spark reads no file or folder whose name begins with ``_`` or ``.``, and says nothing of it; nor does it say which
folders it took for columns. Both are asked of the file system here, once, for all who need to know.
"""

import errno
import glob
import hashlib
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from textclf.config import first_line
from textclf.errors import InputError
from textclf.tables.failures import READ_FAILURES
from textclf.tables.warehouse import absolute, hadoop_path

_SIGNS = "*?[]{}\\"
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:(?=/)(?://[^/]*)?")
_STATUS = re.compile(
    r"path=(?P<path>.*); isDirectory=(?P<folder>true|false);"
    r"(?: length=(?P<size>\d+);.*?)? ?modification_time=(?P<time>-?\d+)",
    re.DOTALL,
)
_MARKS = re.compile(
    r"^(_SUCCESS|_started_.*|_committed_.*|_metadata|_common_metadata|_delta_log|\..*\.crc)$", re.DOTALL
)
"""Names that writers leave beside data, and that hold none."""
_NAMED = 5  # skipped names that are told
_AT_ONCE = 8  # folders listed side by side: object stores take long to answer


class Entry(NamedTuple):
    """One name in a folder; ``modified`` in milliseconds since 1970."""

    name: str
    is_folder: bool
    size: int
    modified: int


Children = Callable[[str], Iterable[Entry]]
"""What a folder holds, by its path; of the path of a file, the file itself."""


class StoredFile(NamedTuple):
    """A file that is read.

    Attributes:
        path: As Hadoop writes it, such as ``file:/data/a.tsv``; nothing in it is escaped.
        folder: The folders between the listing's base and the file, joined by ``/``; empty for none.
    """

    path: str
    folder: str
    size: int
    modified: int


@dataclass(frozen=True)
class Skipped:
    """Files and folders that are not read because of their names.

    Attributes:
        names: The first few, within the base; those of folders end with ``/``.
    """

    files: int = 0
    folders: int = 0
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.files + self.folders > 0

    def __str__(self) -> str:
        kinds = ((self.files, "file"), (self.folders, "folder"))
        counts = " and ".join(f"{count} {kind}{'s' * (count > 1)}" for count, kind in kinds if count)
        more = ", ..." if self.files + self.folders > len(self.names) else ""
        return f"{counts} not read, as names that begin with _ or . are not: {', '.join(self.names)}{more}"


@dataclass(frozen=True)
class Listing:
    """The files of a path.

    Attributes:
        base: The folder that file names are counted from: the path itself, or of a pattern what is before its signs.
        paths: What Spark is to open: the path, with its signs escaped unless they are a pattern.
        entries: All files that Spark takes for data, those without a byte among them, which it does not read.
        logs: Folders with a log of Delta.
        closed: Whether ``paths`` are the files, since others beside them are not to be read.
    """

    base: str
    paths: tuple[str, ...]
    entries: tuple[StoredFile, ...]
    skipped: Skipped = Skipped()
    logs: tuple[str, ...] = ()
    closed: bool = False

    @cached_property
    def files(self) -> tuple[StoredFile, ...]:
        """The files that are read."""
        return tuple(each for each in self.entries if each.size)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The different folders of the entries, in order."""
        return tuple(sorted({each.folder for each in self.entries}))

    def digest(self) -> str:
        """SHA-256 over path, size and time of the last change of the files."""
        texts = sorted(f"{each.path}|{each.size}|{each.modified * 1000}".encode() for each in self.files)
        return hashlib.sha256(b"\n".join(texts)).hexdigest()


def list_files(spark: SparkSession, given: str, what: str, *, recursive: bool = True) -> Listing:
    """Find the files at a path, at a URL, or at those that a pattern matches.

    What exists under exactly that name is that, whatever signs of patterns are in it.

    Args:
        what: What the files are, for errors: ``Source yelp``.
        recursive: Go into folders that are no partitions (``key=value``), too.

    Raises:
        InputError: Nothing is there, or files that Hadoop cannot read are.
    """
    location = absolute(given)
    try:
        system, path = hadoop_path(spark, location)
        children = local_children if _is_local(system) else _hadoop_children(spark, system)
        root = system.makeQualified(path).toString()
        if system.exists(path):
            return _listing(root, [_root(system.getFileStatus(path))], children, what, recursive=recursive)
        matched = [_root(status) for status in system.globStatus(path) or ()] if has_signs(location) else []
        if matched:
            return _listing(root, matched, children, what, recursive=recursive, pattern=location)
    except (*READ_FAILURES, OSError) as error:
        raise _cannot_read(what, first_line(error), given) from error
    received = f"nothing matches the pattern {location}" if has_signs(location) else f"no file at {location}"
    raise _cannot_read(what, received, given)


def list_local(given: str, *, recursive: bool = True) -> Listing:
    """``list_files`` on this machine, without Spark; no entries where nothing is there.

    Raises:
        InputError: A file has a name that Hadoop cannot read.
        OSError: A folder cannot be listed.
    """
    location = absolute(given)
    named = os.path.exists(location)
    roots = []
    for path in [location] if named else _local_matches(location):
        status = os.stat(path)
        roots.append(Entry(path, os.path.isdir(path), status.st_size, status.st_mtime_ns // 1_000_000))
    if not roots:
        return Listing(location, (), ())
    return _listing(
        location, roots, local_children, "The path", recursive=recursive, pattern=None if named else location
    )


def _local_matches(pattern: str) -> list[str]:
    """What Hadoop would find for a pattern."""
    choice = re.search(r"(?<!\\)\{([^{}]*)\}", pattern)
    if choice:
        before, after = pattern[: choice.start()], pattern[choice.end() :]
        return [path for each in choice[1].split(",") for path in _local_matches(f"{before}{each}{after}")]
    translated = re.sub(r"\\(.)", lambda found: glob.escape(found[1]), pattern.replace("[^", "[!"))
    return sorted(glob.glob(translated, include_hidden=True))


def has_signs(location: str) -> bool:
    """Whether Hadoop takes a path for a pattern."""
    return any(sign in location for sign in _SIGNS)


def escaped(path: str) -> str:
    """The pattern that a path alone matches."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)


def path_part(location: str) -> str:
    """What follows scheme and host of a path as Hadoop writes it or as a pipeline file has it."""
    return posixpath.normpath(_SCHEME.sub("", location)).replace("//", "/")


def hidden(name: str) -> bool:
    """Whether Spark goes past a file or folder of that name."""
    if name.startswith(("_metadata", "_common_metadata")):
        return False
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")


def no_data(name: str) -> bool:
    """Whether Spark does not read a file of that name."""
    return hidden(name) or (name.startswith("_") and "=" not in name)


def is_partition(folder: str) -> bool:
    """Whether a folder's name has the form ``key=value``."""
    key, _, value = folder.partition("=")
    return bool(key and value)


def local_children(folder: str) -> Iterator[Entry]:
    """``Children`` of this machine's file system."""
    place = path_part(folder)
    if os.path.islink(place) and os.path.realpath(os.path.dirname(place)).startswith(os.path.realpath(place)):
        raise OSError(errno.ELOOP, "a link leads to a folder above it", place)
    with os.scandir(place) as found:
        for each in found:
            try:
                status = each.stat()
            except FileNotFoundError:
                continue  # a link to nothing, or gone since; Hadoop passes it over as well
            yield Entry(each.name, each.is_dir(), status.st_size, status.st_mtime_ns // 1_000_000)


def _is_local(system: Any) -> bool:
    return bool(system.getUri().getScheme() == "file")


def _hadoop_children(spark: SparkSession, system: Any) -> Children:
    jvm: Any = spark._jvm

    def children(folder: str) -> Iterator[Entry]:
        iterator = system.listStatusIterator(jvm.org.apache.hadoop.fs.Path(folder))
        statuses = jvm.org.apache.hadoop.util.functional.RemoteIterators.toList(iterator)
        # One call for all of them: each one's attributes would be a call of their own.
        joined = jvm.org.apache.commons.lang3.StringUtils.join(statuses, "\0")
        for at, text in enumerate(joined.split("\0") if joined else ()):
            yield _parsed(text) or _asked(statuses.get(at))

    return children


def _parsed(status: str) -> Entry | None:
    """An entry from the words of Hadoop's FileStatus; None where they are others."""
    found = _STATUS.search(status)
    if found is None or (found["folder"] == "false" and found["size"] is None):
        return None
    return Entry(
        posixpath.basename(found["path"]), found["folder"] == "true", int(found["size"] or 0), int(found["time"])
    )


def _asked(status: Any) -> Entry:
    name = status.getPath().getName()
    return Entry(name, status.isDirectory(), status.getLen(), status.getModificationTime())


def _root(status: Any) -> Entry:
    """The entry of a path, the whole path as its name."""
    return _asked(status)._replace(name=status.getPath().toString())


@dataclass
class _Walk:
    """A way through folders, level by level; the folders of a level are listed side by side."""

    base: str
    children: Children
    recursive: bool
    what: str
    entries: list[StoredFile] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    skipped: list[tuple[str, bool]] = field(default_factory=list)
    left_out: bool = False

    def go(self, roots: Iterable[Entry], *, named: bool) -> None:
        """Take the roots, whose names are their paths, and what is in them.

        Args:
            named: Whether a root's own name was given, and is no match of a pattern.
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
                    expected="a name that does not begin with _ or ., which Spark passes over",
                    fix="rename the file",
                )
            self._file(root, root.name)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while level:
                found = list(pool.map(lambda folder: sorted(self.children(folder)), level))
                level = [path for folder, each in zip(level, found, strict=True) for path in self._inside(folder, each)]

    def _inside(self, folder: str, found: Iterable[Entry]) -> Iterator[str]:
        """Take a folder's files; the folders that are to be opened."""
        for entry in found:
            path = f"{folder.rstrip('/')}/{entry.name}"
            if not entry.is_folder:
                self._file(entry, path)
            elif hidden(entry.name):
                self._skip(entry, path)
                if entry.name == "_delta_log":
                    self.logs.append(folder)
            elif self.recursive or is_partition(entry.name):
                yield path
            else:
                self.left_out = True

    def _file(self, entry: Entry, path: str) -> None:
        if no_data(posixpath.basename(path)):
            self._skip(entry, path)
            return
        _check_name(path, self.what)
        folder, _, _ = self.within(path).rpartition("/")
        self.entries.append(StoredFile(path, folder, entry.size, entry.modified))

    def _skip(self, entry: Entry, path: str) -> None:
        if not _MARKS.match(posixpath.basename(path)):
            self.skipped.append((self.within(path) + "/" * entry.is_folder, entry.is_folder))

    def within(self, path: str) -> str:
        """A path counted from the base."""
        return path[len(self.base.rstrip("/")) + 1 :]


def _listing(
    root: str, roots: Sequence[Entry], children: Children, what: str, *, recursive: bool, pattern: str | None = None
) -> Listing:
    """Walk through the roots of a path, or of what a pattern has matched."""
    base = _before_signs(root) if pattern else root if roots[0].is_folder else posixpath.dirname(root)
    walk = _Walk(base, children, recursive, what)
    walk.go(roots, named=pattern is None)
    # Nothing but the names of files keeps Spark from folders that are beside them.
    paths = [each.path for each in walk.entries if each.size] if walk.left_out else [] if pattern else [root]
    if walk.left_out and not paths:
        raise _cannot_read(what, f"files in folders of {root} alone", root, "leave out recursive = false")
    folders = sum(is_folder for _, is_folder in walk.skipped)
    names = tuple(name for name, _ in walk.skipped[:_NAMED])
    return Listing(
        base=base,
        paths=tuple(map(escaped, paths)) or (pattern or root,),
        entries=tuple(walk.entries),
        skipped=Skipped(len(walk.skipped) - folders, folders, names),
        logs=tuple(walk.logs),
        closed=walk.left_out,
    )


def _before_signs(pattern: str) -> str:
    """The folders of a pattern before the first that has a sign."""
    parts = pattern.split("/")
    return "/".join(parts[: next(at for at, part in enumerate(parts) if has_signs(part))])


def _check_name(path: str, what: str) -> None:
    """Refuse a file that Hadoop or a table cannot name.

    Raises:
        InputError: The name holds a colon, or bytes that are not UTF-8.
    """
    name = posixpath.basename(path)
    local = path.startswith(("file:", "/"))
    if local and ":" in name:
        # The name of its checksum, .NAME.crc, is taken for a URL.
        raise _cannot_read(what, f"a file with a colon in its name: {path}", path, "rename the file")
    if not _is_utf8(path):
        raise _cannot_read(what, f"a file whose name is not UTF-8: {path!r}", path, "rename the file")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cannot_read(what: str, received: str, given: str, fix: str = "") -> InputError:
    return InputError(
        f"{what} cannot be read.",
        received=received.encode(errors="replace").decode(),
        expected="the path or URL of a file or folder, or a pattern that matches some",
        fix=fix or f"check the path {given!r} in the pipeline file, and that this user may read it",
    )
