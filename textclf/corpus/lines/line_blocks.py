"""Divide files into blocks of lines and find the number of each block's first record.

Spark reads a file in blocks. One task reads a block, and each line belongs to exactly one block. A first look
counts the records that begin in each block. The sum over all blocks before a block is the number of its first
record, so record numbers are exact however the file is cut.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from textclf.config import Source
from textclf.corpus.lines.quoted_records import Borders, Entry, Scanned, fate
from textclf.formats.reject_reasons import Reason
from textclf.storage.files.folder_walk import path_part
from textclf.storage.files.listing import has_signs
from textclf.storage.warehouse import absolute


class Found(NamedTuple):
    """Result of the first look at a block; ``head`` is the file's first line if the block begins with it."""

    path: str
    start: int
    lines: int
    scanned: Scanned
    head: bytes | None = None
    first_row: int = 0
    plain: int = 0
    key: int = 0


@dataclass(frozen=True)
class Block:
    """A run of lines of one file.

    Attributes:
        file: Name of the file within its source.
        first: Number of the first record that begins in the block; -1 if that record is the header.
        begun: Number of records that begin in the block, including a header.
        inside: Whether the block begins inside a record, which closes here or later.
        fails: Why the record that is open at the block's end fails; None if it closes in a later block.
        lines: Number of lines that begin in the block.
        alone: Whether the file has only one line.
        first_row: Spark's number of the block's first row, if each row is a record.
        plain: Number of records that are certainly good, if each row is a record.
        key: Number by which Spark's rows name the block; see ``first_counts.with_place``.
    """

    id: int
    path: str
    start: int
    file: str
    first: int
    begun: int
    inside: bool = False
    fails: Reason | None = Reason.UNCLOSED_QUOTE
    lines: int = 0
    alone: bool = False
    first_row: int = 0
    plain: int = 0
    key: int = 0

    @property
    def borders(self) -> Borders:
        """What the neighbouring blocks decide about this block's records."""
        return Borders(self.first, self.inside, self.fails)


@dataclass(frozen=True)
class BlockPlan:
    """All blocks of a source, and the columns that its header named."""

    blocks: tuple[Block, ...]
    columns: tuple[str, ...] | None = None

    @property
    def records(self) -> int:
        """Number of records in all files, without headers."""
        return sum(block.begun + min(block.first, 0) for block in self.blocks)

    @property
    def plain(self) -> int:
        """Number of records that are certainly good."""
        return sum(block.plain for block in self.blocks)

    @property
    def lines(self) -> int:
        """Number of lines in all files."""
        return sum(block.lines for block in self.blocks)

    @property
    def headers(self) -> int:
        """Number of lines that are headers."""
        return sum(block.first < 0 for block in self.blocks)


def root_of(source: Source) -> str:
    """Return a source's path without scheme and host, to which the names of its files are relative."""
    return path_part(absolute(source.path))


def number_all(found: Iterable[Found], source: Source) -> tuple[Block, ...]:
    """Number the blocks of all files of a source, in the order of the files' names."""
    root = root_of(source)
    by_file = sorted(((file_name(block.path, root), block) for block in found), key=lambda item: (item[0], item[1][:2]))
    blocks: list[Block] = []
    for file, group in groupby(by_file, key=lambda item: item[0]):
        blocks += number_blocks(file, [block for _, block in group], source, len(blocks))
    return tuple(blocks)


def file_name(path: str, root: str) -> str:
    """Return a file's name within its source: its path within the source's folder, or the name of a single file.

    Args:
        path: Path as Spark gives it, percent-encoded.
        root: The source's path without scheme and host; a pattern if there is no such file or folder.
    """
    plain = path_part(unquote(path))
    base = root.rstrip("/")
    if not plain.startswith(f"{base}/") and plain != base:
        parts = base.split("/")
        base = "/".join(parts[: next((at for at, part in enumerate(parts) if has_signs(part)), len(parts))])
    return plain[len(base) + 1 :] if plain.startswith(base + "/") else os.path.basename(plain)


def number_blocks(file: str, group: Sequence[Found], source: Source, next_id: int = 0) -> list[Block]:
    """Number the blocks of one file: each gets the number of its first record and what becomes of its last one."""
    blocks: list[Block] = []
    first, inside = -1 if source.header else 0, False
    alone = sum(found.lines for found in group) == 1
    for offset, found in enumerate(group):
        block = Block(
            next_id + offset, found.path, found.start, file, first, 0, inside,
            lines=found.lines, alone=alone, first_row=found.first_row, plain=found.plain, key=found.key,
        )  # fmt: skip
        if inside and found.scanned.entry is Entry.STAYS:
            blocks.append(replace(block, fails=None))
            continue
        reading = found.scanned.rest if inside else found.scanned.outside
        fails = None
        if reading.open:
            following = (group[at].scanned for at in range(offset + 1, len(group)))
            fails = fate(following, reading.open, source.max_record_bytes)
        begun = reading.begun if fails is None else reading.given_up
        blocks.append(replace(block, begun=begun, fails=fails))
        first += begun
        inside = reading.open > 0 and fails is None
    return blocks


def has_quote(values: pa.Array) -> bool:
    """Whether any of the lines contains a quote."""
    return bool(pc.any(pc.match_substring(values.cast(pa.binary()), b'"')).as_py())


def size_of(values: pa.Array) -> int:
    """Number of bytes of the lines, including their line feeds."""
    return int(pc.sum(pc.binary_length(values)).as_py() or 0) + len(values)


def runs(batch: pa.RecordBatch, keys: Iterable[str]) -> Iterator[tuple[tuple[Any, ...], pa.Array]]:
    """Yield the batch's lines in order, grouped by block."""
    columns = [batch.column(batch.schema.get_field_index(key)) for key in keys]
    values = batch.column(batch.schema.get_field_index("value"))
    if len(values) == 0:
        return
    first, last = (tuple(column[at].as_py() for column in columns) for at in (0, len(values) - 1))
    if first == last:  # a task reads a block without interruption
        yield first, values
        return
    at = 0
    for key, group in groupby(zip(*(column.to_pylist() for column in columns), strict=True)):
        size = sum(1 for _ in group)
        yield key, values.slice(at, size)
        at += size
