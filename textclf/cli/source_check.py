"""Check a source for ``textclf check``: which files ingest will read, and which records it will accept."""

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from textclf.common.terminal import visible
from textclf.errors import InputError, UsageError

if TYPE_CHECKING:
    from textclf.config import Source
    from textclf.corpus.local.preview import LocalFile, Preview
    from textclf.storage.files.listing import Listing

_NAMED = 100  # files that are listed at a terminal


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        verdict: ``ok``; ``note`` for something that stops no job; ``wrong``.
        found: What was found.
        fix: What to do; empty if there is nothing to do.
        files: Names, within the source, of the files that ingest will read.
    """

    name: str
    verdict: Literal["ok", "note", "wrong"]
    found: str
    fix: str = ""
    files: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return what was found as lines, with one line per file."""
        more = len(self.files) - _NAMED
        names = [f"  {visible(name)}" for name in self.files[:_NAMED]]
        return [*self.found.splitlines(), *names, *([f"  and {more:,} more, which --json lists"] if more > 0 else [])]


def source_readable(source: "Source", max_rejects: float, *, full: bool = False) -> Check:
    """Check that each file of a source can be opened, and count the files that ingest skips and the records it reads.

    Args:
        source: Source to check.
        max_rejects: Largest share of rejected records with which ingest publishes a delivery of the source.
        full: Whether to read each source to its end, not only its beginning.
    """
    from textclf.common.file_systems import is_url
    from textclf.storage.files.listing import list_local

    name = f"source {source.name}"
    if is_url(source.path):
        return Check(name, "note", f"{source.path}: only Spark can tell", "run ingest_corpus to see if it can be read")
    try:
        listing = list_local(source.path, recursive=source.recursive)
        files = _files(listing)
    except InputError as error:
        return _wrong(name, error)
    except (OSError, ValueError) as error:
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else f"{source.path!r}: {error}"
        return Check(name, "wrong", said, "correct its permissions, or the path")
    if (closed := _closed(name, files)) is not None:
        return closed
    skipped = f"; {listing.skipped}" if listing.skipped and source.kind.files else ""
    empty = len(listing.entries) - len(files)
    skipped += f"; {empty} empty" if empty and source.kind.files else ""
    if not files:
        fix = f"correct the path of the source; it is relative to {os.getcwd()}"
        return Check(name, "wrong", f"no files at {source.path}{skipped}", fix)
    size = sum(each.size for each in listing.files)
    counted = f"{len(files)} file{'s' * (len(files) > 1)}, {size:,} bytes, {source.format}{skipped}"
    names = () if not source.kind.files else tuple(file.name for file in files)
    found = Check(name, "ok", counted, files=names)
    read = _read(found, source, files, listing, full=full)
    return read if isinstance(read, Check) else _judged(found, read, max_rejects)


def _files(listing: "Listing") -> list["LocalFile"]:
    """Return the files that are not empty, sorted by their names within the source."""
    from textclf.corpus.local.files import is_plain
    from textclf.corpus.local.preview import LocalFile

    base = listing.base.rstrip("/") + "/"
    paths = [Path(each.path) for each in listing.files if is_plain(Path(each.path))]
    names = [str(path).removeprefix(base) if str(path).startswith(base) else posixpath.basename(path) for path in paths]
    return [LocalFile(name, path) for name, path in sorted(zip(names, paths, strict=True))]


def _closed(name: str, files: Sequence["LocalFile"]) -> Check | None:
    """Return a check for the first file that cannot be opened; None if all can."""
    for file in files:
        try:
            with file.path.open("rb") as opened:
                opened.read(1)
        except OSError as error:
            fix = f"chmod +r {file.path}, or run as another user"
            return Check(name, "wrong", f"{file.path}: {error.strerror}", fix)
    return None


def _wrong(name: str, error: InputError, before: str = "", files: tuple[str, ...] = ()) -> Check:
    found, _, fix = str(error).partition("\n  what to do: ")
    return Check(name, "wrong", f"{before}{found}", fix, files)


def _read(
    found: Check, source: "Source", files: Sequence["LocalFile"], listing: "Listing", *, full: bool
) -> "Check | Preview":
    """Preview the records with ingest's readers; return a check instead if that is not possible."""
    import pyarrow as pa

    from textclf.cli.delta import NeedsSparkError, delta_rows
    from textclf.corpus.local.preview import LOOKED_AT, preview, preview_columns, sparks_alone
    from textclf.storage.files.columns import folder_keys

    limit = None if full else LOOKED_AT
    unpacked = sparks_alone(files)
    if source.partition_types == "inferred" and source.label in folder_keys(listing):
        return _note(
            found, f"{source.label} comes from folder names and partition_types is inferred: only Spark can tell"
        )
    if unpacked is not None:
        return _note(found, f"{unpacked}: compressed so that only Spark can read its records")
    try:
        if not source.kind.files:
            return preview_columns(source, delta_rows(source.path), limit)
        return preview(source, files, listing, limit)
    except UsageError as error:  # a package that the preview needs is not installed
        return _note(found, error.problem)
    except NeedsSparkError as error:
        return _note(found, f"{error.problem} {error.received}")
    except InputError as error:
        return _wrong(found.name, error, f"{found.found}\n", found.files)
    except (OSError, pa.ArrowException) as error:
        said = f"{found.found}\n{getattr(error, 'filename', None) or 'its files'} cannot be read: {error}"
        return Check(found.name, "wrong", said, "check the format and the files of the source", found.files)


def _note(found: Check, said: str) -> Check:
    return Check(found.name, "note", f"{found.found}\n{said}", "run ingest_corpus to see its records", found.files)


def _judged(found: Check, read: "Preview", max_rejects: float) -> Check:
    """Apply ingest's own rule to say whether it would publish the records that were read."""
    from textclf.corpus.counts import Counts
    from textclf.corpus.deliveries import why_refused
    from textclf.corpus.local.preview import counts

    part = "" if read.whole else "the beginning: "
    said = f"{found.found}\n{part}{counts(read)}"
    why = why_refused(Counts(read.records, read.accepted, read.rejected, dict(read.rejects)), max_rejects)
    if why is None:
        return Check(found.name, "ok", said, files=found.files)
    fix = "correct format, columns, encoding or labels of the source; textclf init shows how it would read the files"
    if read.whole:
        return Check(found.name, "wrong", f"{said}\ningest_corpus refuses a delivery that {why}", fix, found.files)
    rule = (
        f"more than max_rejects ({max_rejects:g}) of its records are rejected"
        if read.accepted
        else "none of its records is accepted"
    )
    said += f"\n{rule}; ingest_corpus refuses the delivery if that holds for all of it"
    return Check(found.name, "note", said, fix, found.files)
