"""Ingest files with the job's ``ingest_corpus``: many sources at once, in small blocks and oddly named folders."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from tests.soak.parquet_files import parquet_files, read_parquet
from tests.soak.reference_reader import Reading, Rules, may_be_refused, read
from tests.soak.sample_files import KINDS, SampleFile, sample_source
from tests.soak.source_keys import source_keys
from textclf.config import Pipeline, parse_pipeline
from textclf.corpus.ingest import ingest_corpus
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse

SOURCES = 16  # in a batch
_NAMES = (  # no name has a colon: Hadoop does not allow it
    "a", "b b", "50%", "a%20b", "a+b", "x#y", "q?", "it's", 'quo"te', "a,b", "a;b", "$HOME", "${HOME}", "ü", "漢😀",
    "[x]", "{a,b}", "a*b", "a=b", "=", "e\\f", "a\u202eb", "n\nl", "~", "-", "a.b.c", "x" * 120,
)  # fmt: skip
_FOLDERS = ("day=1", "day=001", "code=1e3", "code=1d", "text=abc", "value=abc", "label=9", "sub", "sub folder", "k=%2F",
            "day=__HIVE_DEFAULT_PARTITION__", "[y]", "ü", "$X")  # fmt: skip


@dataclass(frozen=True)
class PlacedSource:
    """The files of one source and their paths below its folder."""

    name: str
    path: Path
    files: dict[str, SampleFile]  # by their name in the corpus

    @property
    def rules(self) -> Rules:
        """The rules by which the files are read."""
        return next(iter(self.files.values())).rules


def placed_sources(folder: Path, seed: int, batch: int, kinds: Sequence[str] = ()) -> list[PlacedSource]:
    """Write the sources of a batch: ``SOURCES`` of mixed kinds, or one of each given kind."""
    taken = list(kinds) or [*KINDS, "parquet"] * SOURCES
    return [_placed(folder, kind, seed, batch * SOURCES + at) for at, kind in enumerate(taken[: len(kinds) or SOURCES])]


def _placed(folder: Path, kind: str, seed: int, number: int) -> PlacedSource:
    rng = random.Random(f"{seed}/place/{number}")
    count = rng.choice((2, 6, 10, 20))
    made = parquet_files(seed, number, count) if kind == "parquet" else sample_source(kind, seed, number, count)
    name, ending = f"s{number}", "parquet" if kind == "parquet" else "txt"
    usable = [file for file in made if not (kind != "parquet" and may_be_refused(file.data))]
    if not usable or not any(reading(file).records for file in usable):
        return _placed(folder, kind, seed, number + 1_000_000)
    layout = rng.choice(("file", "folder", "folder", "subfolders", "partitions"))
    if layout == "file" or len(usable) == 1:
        path = folder / name / f"{rng.choice(_PLAIN)}.{ending}"
        return PlacedSource(name, path, _written(path.parent, {path.name: usable[0]}))
    files = {}
    for at, file in enumerate(usable):
        parts = [f"{rng.choice(_NAMES)} {at}.{ending}"]
        if layout == "partitions":
            parts.insert(0, f"day={rng.choice(('1', '001', '1e3', '1d', 'a b', '__HIVE_DEFAULT_PARTITION__'))}")
        if layout == "subfolders" and rng.random() < 0.7:
            parts.insert(0, rng.choice(_FOLDERS))
        files["/".join(parts)] = file
    return PlacedSource(name, folder / name, _written(folder / name, files))


_PLAIN = ("data", "b b", "50%", "ü", "it's", "a+b")  # the pipeline file names the path itself


def _written(folder: Path, files: dict[str, SampleFile]) -> dict[str, SampleFile]:
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    return files


def reading(file: SampleFile) -> Reading:
    """Return the records of a file as the reference reads them."""
    return (read_parquet if file.kind == "parquet" else read)(file.data, file.rules)


def pipeline_of(sources: list[PlacedSource], warehouse: Path) -> Pipeline:
    """Return a pipeline with these sources."""
    parts = [f'warehouse = "{warehouse}"']
    for source in sources:
        keys = {"name": source.name, "path": str(source.path)} | source_keys(source.rules)
        parts += ["[[sources]]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items())]
    return parse_pipeline("\n".join(parts))


def through_the_job(
    spark: SparkSession, folder: Path, seed: int, batch: int, kinds: Sequence[str] = ()
) -> tuple[Counter[str], list[str]]:
    """Ingest the sources of a batch; return figures, and how the tables differ from the reference."""
    shutil.rmtree(folder, ignore_errors=True)
    sources = placed_sources(folder / "files", seed, batch, kinds)
    pipeline = pipeline_of(sources, folder / "warehouse")
    warehouse = Warehouse.of(pipeline)
    largest = max(sum(len(file.data) for file in source.files.values()) for source in sources)
    blocks = random.Random(f"{seed}/cut/{batch}").choice((1, 5, 10, 20))  # blocks of the largest source
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(max(20, largest // blocks)))
    spark.conf.set("spark.sql.files.openCostInBytes", "0")
    try:
        # Accept any share of rejects: the limits on a delivery are not under test here.
        accept = [source.name for source in pipeline.sources]
        ingest_corpus(Workspace(spark, pipeline), f"soak-{batch}", pipeline.sources, accept=accept)
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
        spark.conf.unset("spark.sql.files.openCostInBytes")
    found = _tables(spark, warehouse)
    shutil.rmtree(folder, ignore_errors=True)
    return compared(sources, found, f"--files, seed {seed}, batch {batch}")


Found = dict[tuple[str, str, int], tuple[Any, ...]]


def _tables(spark: SparkSession, warehouse: Warehouse) -> list[tuple[tuple[str, str, int], tuple[Any, ...]]]:
    """Return all rows of both tables with their source, file and position."""
    accepted = warehouse.location("corpus").read(spark).select("source", "file", "position", "text", "label")
    rows: list[Any] = [((row[0], row[1], row[2]), (row[3], row[4])) for row in accepted.collect()]
    place = warehouse.location("corpus_rejects")
    if place.exists(spark):
        refused = place.read(spark).select("source", "file", "position", "reason", "lines", "raw")
        for source, file, position, reason, lines, raw in refused.collect():
            shown = None if lines is None and reason == "fractional_label" and raw else raw
            rows.append(((source, file, position), (reason, lines, shown)))
    return rows


def wanted_rows(sources: list[PlacedSource]) -> Found:
    """Return the rows expected in the two tables."""
    rows: Found = {}
    for source in sources:
        for name, file in source.files.items():
            for record in reading(file).records:
                raw = record.raw.decode(file.rules.encoding, errors="replace")[:1000]
                lines = None if file.kind == "parquet" else record.lines
                # If a Parquet label is not a whole number, ``raw`` is the label as Spark formats it.
                shown = None if lines is None and record.reason == "fractional_label" else raw
                refused = (record.reason, lines, shown)
                accepted = (record.text, record.label)
                rows[source.name, name, record.position] = refused if record.reason else accepted
    return rows


def compared(
    sources: list[PlacedSource], found: list[tuple[tuple[str, str, int], tuple[Any, ...]]], made_by: str
) -> tuple[Counter[str], list[str]]:
    """Return figures by format, and every row that is only in the tables or only in the files."""
    wanted = wanted_rows(sources)
    names = {source.name: source for source in sources}
    figures: Counter[str] = Counter({"sources": len(sources)})
    for source in sources:
        kind = next(iter(source.files.values())).kind
        figures["files"] += len(source.files)
        figures[f"files {kind}"] += len(source.files)
    for (name, file, _), values in wanted.items():
        figures["records"] += 1
        figures[f"{'accepted' if len(values) == 2 else 'rejected'} {names[name].files[file].kind}"] += 1
    double = [key for key, count in Counter(key for key, _ in found).items() if count > 1]
    got = dict(found)
    differ = [key for key in wanted.keys() | got.keys() if wanted.get(key) != got.get(key)]
    return figures, [
        f"{made_by}, {key}: expected {wanted.get(key)!r}, got {got.get(key)!r}" for key in sorted({*double, *differ})
    ]
