"""List the files of a path as Spark finds them, and those that it skips, before any of them is opened.

Spark silently skips files and folders whose names begin with ``_`` or ``.``, and does not report which folders it
turned into columns. This module asks the file system for both, once, for all callers.
"""

import glob
import hashlib
import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.sql import SparkSession

from textclf.common.secrets import first_line
from textclf.spark.failures import READ_FAILURES
from textclf.storage.delta_log import hadoop_path
from textclf.storage.files.folder_walk import (
    Children,
    Entry,
    StoredFile,
    Walk,
    asked,
    cannot_read,
    hadoop_children,
    local_children,
)
from textclf.storage.warehouse import absolute

_SIGNS = "*?[]{}\\"
_NAMED = 5  # skipped names in a message


@dataclass(frozen=True)
class Skipped:
    """Files and folders that are not read because of their names.

    Attributes:
        files: Number of files.
        folders: Number of folders.
        names: The first few names, relative to the base; names of folders end with ``/``.
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
        return f"{counts} skipped (names that begin with _ or . are not read): {', '.join(self.names)}{more}"


@dataclass(frozen=True)
class Listing:
    """The files of a path.

    Attributes:
        base: Folder that file names are relative to: the path itself, or the part of a pattern before its first
            pattern character.
        paths: Paths that Spark is to open: the path, with pattern characters escaped unless it is a pattern.
        entries: All files that Spark takes for data, including empty files, which it does not read.
        skipped: Files and folders that are skipped because of their names.
        logs: Folders with a Delta log.
        closed: Whether ``paths`` names each file, because other files beside them must not be read.
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

    @property
    def deep_files(self) -> int:
        """Number of files that ``recursive = false`` would leave out."""
        return sum(each.deep for each in self.files)

    def digest(self, *, deep: bool = True) -> str:
        """Compute SHA-256 over path, size and modification time of the files, written as in ``digests.named``.

        Args:
            deep: Whether to include the files that ``recursive = false`` would leave out.
        """
        files = (each for each in self.files if deep or not each.deep)
        texts = sorted(f"{each.path}|{each.size}|{each.modified * 1000}".encode() for each in files)
        return hashlib.sha256(b"\n".join(texts)).hexdigest()


def list_files(spark: SparkSession, given: str, what: str, *, recursive: bool = True) -> Listing:
    """Find the files at a path or URL, or at all paths that a pattern matches.

    A path that exists under exactly the given name is not a pattern, whatever characters it contains.

    Args:
        spark: An open session.
        given: Path, URL or pattern.
        what: What the files are, for error messages, such as ``Source yelp``.
        recursive: Whether to enter folders that are not partitions (``key=value``).

    Raises:
        InputError: There are no files, or files that Hadoop cannot read.
    """
    location = absolute(given)
    try:
        system, path = hadoop_path(spark, location)
        children = local_children if _is_local(system) else hadoop_children(spark, system)
        root = system.makeQualified(path).toString()
        if system.exists(path):
            return _listing(root, [_root(system.getFileStatus(path))], children, what, recursive=recursive)
        matched = [_root(status) for status in system.globStatus(path) or ()] if has_signs(location) else []
        if matched:
            return _listing(root, matched, children, what, recursive=recursive, pattern=location)
    except (*READ_FAILURES, OSError) as error:
        raise cannot_read(what, first_line(error), given) from error
    received = f"nothing matches the pattern {location}" if has_signs(location) else f"no file or folder at {location}"
    raise cannot_read(what, received, given)


def list_local(given: str, *, recursive: bool = True) -> Listing:
    """List files on this machine as ``list_files`` does, without Spark. A path without files gives no entries.

    Raises:
        InputError: A file has a name that Hadoop cannot read.
        OSError: A folder cannot be listed.
    """
    location = absolute(given)
    named = os.path.exists(location)
    roots = []
    for path in [location] if named else local_matches(location):
        status = os.stat(path)
        roots.append(Entry(path, os.path.isdir(path), status.st_size, status.st_mtime_ns // 1_000_000))
    if not roots:
        return Listing(location, (), ())
    return _listing(
        location, roots, local_children, "The path", recursive=recursive, pattern=None if named else location
    )


def local_matches(pattern: str) -> list[str]:
    """Find the paths that Hadoop would find for a pattern."""
    choice = re.search(r"(?<!\\)\{([^{}]*)\}", pattern)
    if choice:
        before, after = pattern[: choice.start()], pattern[choice.end() :]
        return [path for each in choice[1].split(",") for path in local_matches(f"{before}{each}{after}")]
    translated = re.sub(r"\\(.)", lambda found: glob.escape(found[1]), pattern.replace("[^", "[!"))
    return sorted(glob.glob(translated, include_hidden=True))


def has_signs(location: str) -> bool:
    """Whether Hadoop takes a path for a pattern, because it contains pattern characters."""
    return any(sign in location for sign in _SIGNS)


def escaped(path: str) -> str:
    """Escape a path so that, as a pattern, it matches only itself."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)


def _is_local(system: Any) -> bool:
    return bool(system.getUri().getScheme() == "file")


def _root(status: Any) -> Entry:
    """Make the entry of a path, with the whole path as its name."""
    return asked(status)._replace(name=status.getPath().toString())


def _listing(
    root: str, roots: Sequence[Entry], children: Children, what: str, *, recursive: bool, pattern: str | None = None
) -> Listing:
    """Walk through the roots of a path, or through the matches of a pattern."""
    base = _before_signs(root) if pattern else root if roots[0].is_folder else posixpath.dirname(root)
    walk = Walk(base, children, recursive, what)
    walk.go(roots, named=pattern is None)
    # Only the names of single files keep Spark from reading folders beside them.
    paths = [each.path for each in walk.entries if each.size] if walk.left_out else [] if pattern else [root]
    if walk.left_out and not paths:
        raise cannot_read(what, f"files only in subfolders of {root}", root, "leave out recursive = false")
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
    """Return the part of a pattern before the first folder that has a pattern character."""
    parts = pattern.split("/")
    return "/".join(parts[: next(at for at, part in enumerate(parts) if has_signs(part))])
