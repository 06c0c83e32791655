"""Records that Spark's expressions alone cannot read: one pass of all sources through Python, into files.

A worker parses the records of its blocks and writes those that it accepts as files of ``corpus`` and the others as
files of ``corpus_rejects``: in the folders of the tables, where a commit names them if the delivery passes. It counts
them as it writes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from textclf.config import Source
from textclf.corpus.counts import Tally
from textclf.corpus.first_look import Look
from textclf.corpus.lines.line_blocks import BlockPlan
from textclf.corpus.parse import REFUSED_FILE, column_parser, fragment_parser, line_parser, quoted_parser
from textclf.corpus.token_counts import PACKED
from textclf.spark.worker_gc import settle
from textclf.storage.plain_files import discard
from textclf.storage.queries.adaptive_execution import in_one_job
from textclf.storage.schemas import CORPUS, CORPUS_REJECTS, TableSpec
from textclf.storage.staged_table import StagedFile
from textclf.storage.stored_files import FileStore, PackedFile, parquet_codec, read_packed, staged_files
from textclf.storage.worker_files import Packer, Sink
from textclf.text.arrow import gathered

ACCEPTED, REJECTED, FRAGMENTS, REFUSED = KINDS = "accepted", "rejected", "fragments", "refused"
"""Kinds of files: accepted records, rejects, parts of records that cross into another block, and why files that hold no
lines of the source's format are refused."""
ODD_TABLES = {ACCEPTED: CORPUS, REJECTED: CORPUS_REJECTS}
"""Tables that files of a kind are for."""
_FRAGMENT = "source string, file string, position long, start long, fragment binary"
_CHUNK_BYTES = 16 << 20  # of parsed records that become one row group
_WHOLE = "file", "position", "fragments"

Batches = Iterator[pa.RecordBatch]
Parse = Callable[[Batches], Batches]


@dataclass
class OddRecords:
    """The odd records of a run, in files that no version of a table names yet.

    Attributes:
        spark: An open session.
        files: Files of all kinds.
    """

    spark: SparkSession
    files: list[PackedFile] = field(default_factory=list)

    def of(self, kind: str, names: Sequence[str]) -> list[PackedFile]:
        """Return the files of a kind and of some sources."""
        return [file for file in self.files if file.values["kind"] == kind and file.values["source"] in names]

    def tallies(self, name: str) -> list[Tally]:
        """Return the counts of a source's records, by reject reason."""
        counts: Counter[tuple[str | None, str]] = Counter()
        for file in (*self.of(ACCEPTED, [name]), *self.of(REJECTED, [name])):
            for reason, unit, count in file.noted:
                counts[reason, unit] += count
        lined = {reason for reason, unit in counts if unit == "lines"}
        reasons = {reason for reason, _ in counts}
        return [
            Tally(reason, counts[reason, "records"], counts[reason, "lines"] if reason in lined else None)
            for reason in sorted(reasons, key=str)
        ]

    def refused(self, name: str) -> dict[str, str]:
        """Return why files of a source are refused, by the names of the files."""
        return {file: why for each in self.of(REFUSED, [name]) for file, why, _ in each.noted}

    def taken(self, kind: str, names: Sequence[str], spec: TableSpec) -> list[StagedFile]:
        """Return the files of a kind and of some sources for the table of ``spec``, which ``discard`` then leaves."""
        return staged_files(self.spark, self._without(kind, names), spec)

    def rows(self, kind: str, names: Sequence[str], spec: TableSpec) -> DataFrame:
        """Read the rows of a kind with the columns of a table, except those that the files lack."""
        columns = [each for each in spec.schema if each.name not in spec.partition_by]
        return read_packed(self.spark, self.of(kind, names), StructType(columns), "source").select(*spec.columns)

    def discard(self, names: Sequence[str] | None = None) -> None:
        """Delete files in the folders of tables that no commit names: of some sources, or all."""
        gone = [file.place for kind in ODD_TABLES for file in self._without(kind, names)]
        discard(self.spark, gone)

    def _without(self, kind: str, names: Sequence[str] | None) -> list[PackedFile]:
        """Take the files of a kind and of some sources out of the list, and return them."""
        found: list[PackedFile] = []
        kept: list[PackedFile] = []
        for file in self.files:
            ours = file.values["kind"] == kind and (names is None or file.values["source"] in names)
            (found if ours else kept).append(file)
        self.files = kept
        return found


def read_odd(spark: SparkSession, looks: Sequence[Look], folders: Mapping[str, str]) -> list[PackedFile]:
    """Read the odd records of sources in one Spark job, and in another one those that cross from block to block.

    Args:
        spark: An open session.
        looks: First looks at the sources.
        folders: Folder of each of ``KINDS``.

    Returns:
        Files of all records. After an error none is left.
    """
    store, codec = FileStore(spark, folders), parquet_codec(spark)
    packs = [odd_packer(each.source, each.plan, codec, store.sink, numbers=each.numbers) for each in looks]
    parsed = [_rows(look).mapInArrow(pack, PACKED) for look, pack in zip(looks, packs, strict=True)]
    files = store.store(reduce(DataFrame.unionAll, parsed))
    crossing = [file for file in files if file.values["kind"] == FRAGMENTS]
    if not crossing:
        return files
    try:
        ordered = F.array_sort(F.collect_list(F.struct("start", "fragment")))
        records = read_packed(spark, crossing, _FRAGMENT).groupBy("source", "file", "position")
        whole = records.agg(ordered["fragment"].alias("fragments"))
        pack = crossing_packer({look.source.name: (look.source, look.plan) for look in looks}, codec, store.sink)
        return files + store.store(in_one_job(whole.mapInArrow(pack, PACKED)))
    except BaseException:
        discard(spark, [file.place for file in files])
        raise


def _rows(look: Look) -> DataFrame:
    """Select the rows of a source that its packer takes."""
    if look.source.quoted:
        return look.rows.select("block", "value")
    names = ["block", "row", "value", *(["label"] if look.source.kind.columnar else [])]
    return look.rows.where("NOT good").select(*names)


def odd_packer(
    source: Source, plan: BlockPlan, codec: str, sink: Sink | None = None, *, numbers: bool = False
) -> Parse:
    """Make a function for ``mapInArrow`` from rows of a source, as ``with_place`` names them, to rows of ``PACKED``.

    Rows that are not where the first look found them are left out, so that the counts tell that files have changed.

    Args:
        source: The source.
        plan: Its blocks.
        codec: Arrow's name for the compression.
        sink: What takes the files.
        numbers: Whether labels are numbers that may have a fraction.
    """
    if source.quoted:
        parse = quoted_parser(source, plan)
    elif source.kind.columnar:
        parse = column_parser(source, plan, numbers=numbers)
    else:
        parse = line_parser(source, plan)
    return _packing(lambda batches: parse(_placed(plan, batches)), codec, sink)


def crossing_packer(plans: Mapping[str, tuple[Source, BlockPlan]], codec: str, sink: Sink | None = None) -> Parse:
    """Make a function for ``mapInArrow`` from (source, file, position, fragments in order) to rows of ``PACKED``."""

    def parse(batches: Batches) -> Batches:
        parsers = {name: fragment_parser(*plan) for name, plan in plans.items()}
        for batch in batches:
            for name in pc.unique(batch.column("source")).to_pylist():
                ours = batch.filter(pc.equal(batch.column("source"), name)).select(_WHOLE)
                yield from parsers[name](iter([ours]))

    return _packing(parse, codec, sink)


def _placed(plan: BlockPlan, batches: Batches) -> Batches:
    """Replace the keys of blocks by their numbers, and rows by the positions of their records, where there are rows."""
    blocks = sorted(plan.blocks, key=lambda block: block.key)
    keys, ids, firsts, rows, begun = (
        np.array([getattr(block, name) for block in blocks], np.int64)
        for name in ("key", "id", "first", "first_row", "begun")
    )
    for batch in batches:
        given = batch.column("block").to_numpy()
        found = np.minimum(np.searchsorted(keys, given), len(keys) - 1)
        kept, columns = keys[found] == given, {"block": pa.array(ids[found].astype(np.int32))}
        if "row" in batch.schema.names:
            place = batch.column("row").to_numpy() - rows[found]
            position = firsts[found] + place
            kept &= (place >= 0) & (place < begun[found]) & (position >= 0)  # a header has the position -1
            columns["position"] = pa.array(position)
        others = {name: batch.column(name) for name in batch.schema.names if name not in ("block", "row")}
        yield pa.RecordBatch.from_pydict(columns | others).filter(pa.array(kept))


def _packing(parse: Parse, codec: str, sink: Sink | None) -> Parse:
    def pack(batches: Batches) -> Batches:
        statistics = sorted({*(CORPUS.statistics or ()), *(CORPUS_REJECTS.statistics or ())})
        plain = ("text", "raw", "position", "fragment")
        with Packer(("kind", "source"), sink or Sink(), ("source",), codec, statistics, plain) as packer:
            for chunk in gathered(parse(batches), most=_CHUNK_BYTES):  # they are small where few records are odd
                for source in pc.unique(chunk["source"]).to_pylist():
                    ours = chunk.filter(pc.equal(chunk["source"], source))
                    yield from _packed(packer, source, pa.Table.from_batches([ours]))
            yield from packer.close()
        settle()

    return pack


def _packed(packer: Packer, source: str, rows: pa.Table) -> Batches:
    """Write parsed records of one source, each to the file of its kind."""
    reason, fragment = rows["reason"], rows["fragment"]
    refused = pc.fill_null(pc.equal(reason, REFUSED_FILE), False)
    parts = {
        ACCEPTED: (pc.and_(pc.is_null(reason), pc.is_null(fragment)), ("file", "position", "text", "label")),
        REJECTED: (pc.and_not(pc.is_valid(reason), refused), ("file", "position", "reason", "raw", "lines")),
        FRAGMENTS: (pc.is_valid(fragment), ("source", "file", "position", "start", "fragment")),
        REFUSED: (refused, ("file", "raw")),
    }
    for kind, (mask, names) in parts.items():
        ours = rows.filter(mask)
        if len(ours):
            noted = Counter(zip(*(ours[name].to_pylist() for name in names), strict=True)) if kind == REFUSED else {}
            noted = noted or (_counted(ours) if kind != FRAGMENTS else {})
            yield from packer.write((kind, source), ours.select(names), noted)


def _counted(rows: pa.Table) -> dict[tuple[str | None, str], int]:
    """Count records, and lines where records have any, by reject reason."""
    found = rows.group_by("reason").aggregate([([], "count_all"), ("lines", "sum")]).to_pylist()
    counts = {(each["reason"], "records"): each["count_all"] for each in found}
    return counts | {(each["reason"], "lines"): each["lines_sum"] for each in found if each["lines_sum"] is not None}
