"""Preview what ingest will accept of a source, with ingest's own readers, on this machine and without Spark."""

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from textclf.config import Source
from textclf.corpus.lines.headers import header_columns
from textclf.corpus.lines.line_blocks import Block, BlockPlan
from textclf.corpus.lines.records import Parsed
from textclf.corpus.lines.signatures import refusal, refuse
from textclf.corpus.local.files import SPARKS_ALONE, chunks
from textclf.corpus.local.reader import read_chunks
from textclf.corpus.local.tables import batches, bytes_of, is_plain_number, is_string, parquet_rows
from textclf.corpus.parse import column_parser
from textclf.errors import InputError
from textclf.storage.files.listing import Listing

LOOKED_AT = 16 << 20
"""Bytes that a preview reads of a source, unless it reads all of it."""
_HEAD = 64 << 10  # bytes that are read to check a file's first line


class LocalFile(NamedTuple):
    """A file of a source: its name within the source, and its path."""

    name: str
    path: Path


@dataclass
class Preview:
    """Counts of the records of a source, or of its beginning.

    Attributes:
        accepted: Number of records that ingest accepts.
        rejects: Number of records that ingest rejects, by reason.
        labels: Number of accepted records by label.
        whole: Whether all of the source was read.
        pairs: Texts and labels of the accepted records; None if they are not kept.
    """

    accepted: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    whole: bool = True
    pairs: list[tuple[str, str]] | None = None

    @property
    def rejected(self) -> int:
        """Number of records that ingest rejects."""
        return sum(self.rejects.values())

    @property
    def records(self) -> int:
        """Number of all records."""
        return self.accepted + self.rejected

    @property
    def why(self) -> str:
        """Reject reasons with their counts, most common first, as one line of text."""
        return ", ".join(f"{reason} {count:,}" for reason, count in self.rejects.most_common())

    def add(self, parsed: Parsed) -> None:
        """Count a record."""
        text, label, reason = parsed
        if reason is not None or text is None or label is None:
            self.rejects[str(reason)] += 1
            return
        self.accepted += 1
        self.labels[label] += 1
        if self.pairs is not None:
            self.pairs.append((text, label))


def preview_sample(source: Source, sample: Sequence[tuple[str, bytes, bool]]) -> Preview:
    """Preview files that are in memory.

    Args:
        source: Source of the files.
        sample: For each file its name, its bytes, and whether those are the whole file.

    Raises:
        InputError: Ingest would refuse one of the files, or their headers.
    """
    found = Preview(pairs=[])
    if source.header:
        heads = {name: data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0] for name, data, _ in sample if data}
        header_columns(source, heads)
    for name, data, whole in sample:
        for record in read_chunks(source, [data], file=name, cut=partial(operator.not_, whole)):
            found.add(record.parsed)
        found.whole = found.whole and whole
    return found


def preview(source: Source, files: Sequence[LocalFile], listing: Listing, limit: int | None = LOOKED_AT) -> Preview:
    """Preview files, or the first ``limit`` bytes of them.

    Raises:
        InputError: Ingest would refuse one of the files, or the text or label column is missing.
        OSError: A file cannot be read.
    """
    if source.kind.columnar:
        return preview_columns(source, parquet_rows([str(file.path) for file in files], listing), limit)
    _check_heads(source, files)
    found, left = Preview(), limit
    for file in files:
        if left == 0:
            found.whole = False
            break
        data = _Counted(chunks(file.path), left)
        for record in read_chunks(source, data, file=file.name, cut=data.was_cut):
            found.add(record.parsed)
        found.whole = found.whole and not data.cut
        left = None if left is None else left - data.size
    return found


class _Counted:
    """Chunks up to a limit of bytes; ``cut`` is set if there are more."""

    def __init__(self, given: Iterator[bytes], limit: int | None) -> None:
        self._given, self._limit = given, limit
        self.size, self.cut = 0, False

    def was_cut(self) -> bool:
        return self.cut

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._given:
            if self._limit is not None and self.size + len(chunk) > self._limit:
                chunk, self.cut = chunk[: self._limit - self.size], True
            self.size += len(chunk)
            yield chunk
            if self.cut:
                return


def _check_heads(source: Source, files: Sequence[LocalFile]) -> None:
    """Refuse a source that ingest would refuse for the first lines of its files. All files are checked."""
    heads, reasons = {}, {}
    for file in files:
        begin = next(chunks(file.path, _HEAD), b"").removeprefix(b"\xef\xbb\xbf")
        head, feed, more = begin.partition(b"\n")
        heads[file.name] = head
        alone = not more and (bool(feed) or len(begin) < _HEAD)
        if begin and (why := refusal(source, head, alone=alone)) is not None:
            reasons[file.name] = why
    if reasons:
        raise refuse(source, reasons)
    if source.header:
        header_columns(source, heads)


def sparks_alone(files: Sequence[LocalFile]) -> str | None:
    """Return the name of a file that only Spark can decompress, or None if there is none."""
    return next((file.name for file in files if file.name.endswith(SPARKS_ALONE)), None)


def preview_columns(source: Source, rows: Any, limit: int | None = LOOKED_AT, most: int | None = None) -> Preview:
    """Preview a columnar source, or its beginning.

    Args:
        source: Source that names the text and label columns.
        rows: Dataset of pyarrow.
        limit: Number of bytes of texts and labels after which to stop; None for no limit.
        most: Number of records after which to stop; None for no limit. With it, texts and labels are kept.

    Raises:
        InputError: The text or label column is missing or has an unsuitable type.
    """
    for key, name in (("text", source.text), ("label", source.label)):
        kind = next((each.type for each in rows.schema if each.name == name), None)
        if kind is None or not (is_string(kind) or (key == "label" and is_plain_number(kind))):
            raise InputError(
                f"Source {source.name} has no usable {key} column.",
                received=f"{name}: {kind}" if kind is not None else f"columns {', '.join(rows.schema.names)}",
                expected=f"a column {name} of strings" + (", numbers or booleans" if key == "label" else ""),
                fix=f'name it in the pipeline file: {key} = "..."',
            )
    found = Preview(pairs=None if most is None else [])
    size = 0
    for batch in batches(rows, [source.text, source.label]):
        if (limit is not None and size >= limit) or (most is not None and found.records >= most):
            found.whole = False
            break
        size += batch.nbytes
        for parsed in parsed_rows(source, batch.column(0), batch.column(1)):
            found.add(parsed)
    return found


def parsed_rows(source: Source, texts: pa.Array, labels: pa.Array) -> Iterator[Parsed]:
    """Parse texts and labels with ingest's own parser of columns."""
    kind = labels.type.value_type if pa.types.is_dictionary(labels.type) else labels.type
    numbers = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    count = len(labels)
    strings = bytes_of(labels).view(pa.string()) if is_string(kind) else None
    columns = {
        "block": pa.array([0] * count, pa.int32()),
        "position": pa.array(range(count), pa.int64()),
        "value": bytes_of(texts),
        "label": pa.array(map(label_text, labels.to_pylist()), pa.string()) if strings is None else strings,
    }
    parse = column_parser(source, BlockPlan((Block(0, "", 0, "", 0, count),)), numbers=numbers)
    for done in parse(iter([pa.RecordBatch.from_pydict(columns)])):
        text, label, reason = (done.column(done.schema.names.index(name)) for name in ("text", "label", "reason"))
        for row in zip(text.to_pylist(), label.to_pylist(), reason.to_pylist(), strict=True):
            yield Parsed(*row)


def label_text(value: Any) -> str | None:
    """Format a value as Spark casts it to a string."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).upper()
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def counts(found: Preview, shown: int = 5) -> str:
    """Describe a preview in one line.

    Example:
        >>> counts(Preview(60, labels=Counter(a=30, b=30)))
        '60 records, 2 labels (a 30, b 30), 0 rejected'
    """
    common = sorted(found.labels.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{label[:40]} {count:,}" for label, count in common[:shown])
    more = f" and {len(common) - shown:,} more" if len(common) > shown else ""
    labels = f"{len(common):,} label{'s' * (len(common) != 1)}" + (f" ({named}{more})" if named else "")
    rejected = f"{found.rejected:,} rejected" + (f" ({found.why})" if found.why else "")
    return f"{found.records:,} record{'s' * (found.records != 1)}, {labels}, {rejected}"
