"""Parquet files made by workers are stored byte for byte, once and under their final names, and described correctly."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from textclf.spark.companion import CompanionError
from textclf.storage import plain_files, stored_files, worker_files
from textclf.storage.files.partition_names import folder_name
from textclf.storage.schemas import TableSpec
from textclf.storage.stored_files import FileStore, PackedFile, read_packed
from textclf.storage.worker_files import COLUMNS, Packer, Sink, arrow_codec

ODD = 'joe\'s 100% "q"/a=b ü'
SOURCES = ["yelp", ODD, None]
KEYS = ("kind", "source")
PACKED = f"kind string, source string, {COLUMNS}"
SPEC = TableSpec("t", StructType([StructField("source", StringType())]), ("source",))
Pack = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def content(row: pa.RecordBatch) -> pa.Table:
    return pq.read_table(pa.BufferReader(row.column("piece")[0].as_py()))


def packer(sink: Sink, fails_after: Path | None = None) -> Pack:
    """Write a file for each of three sources; the task of the last rows fails once a file ``fails_after`` exists."""

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        last = False
        with Packer(KEYS, sink, ["source"], statistics=["id"]) as made:
            for batch in batches:
                values = batch.column(0).to_pylist()
                last = max(values) == 39
                for number, source in enumerate(SOURCES):
                    rows = batch.filter(pa.array([value % 3 == number for value in values]))
                    yield from made.write(("rows", source), pa.table(rows))
            yield from made.close()
            if fails_after and last:
                while not fails_after.exists():
                    time.sleep(0.05)
                raise ValueError("late")

    return pack


@pytest.fixture(params=["worker", "jvm"])
def store(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> FileStore:
    """Make a store whose files are written by the workers, or in pieces by the JVM as on other storage."""
    made = FileStore(spark, {"rows": str(tmp_path / "a folder%20 [1] {x}" / "stored")})
    if request.param == "jvm":
        made.sink.folders = None
    return made


@pytest.fixture
def stored(spark: SparkSession, store: FileStore) -> list[PackedFile]:
    """Store the files of three tasks: two with a file for each of three sources, one without rows."""
    ids = spark.range(0, 60, numPartitions=3).where("id < 40")
    return store.store(ids.mapInArrow(packer(store.sink), PACKED))


def store_and_fail(spark: SparkSession, store: FileStore, told: Path) -> None:
    """Store the files of three tasks, of which the second fails once those of the first are known to the driver."""

    def tell() -> None:
        while len(store._seen.value) < len(SOURCES):
            time.sleep(0.05)
        told.touch()

    ids = spark.range(0, 60, numPartitions=3).where("id < 40")
    rows = ids.mapInArrow(packer(store.sink, told), PACKED)
    with ThreadPoolExecutor(1) as other:
        done = other.submit(tell)
        with pytest.raises(PySparkException, match="late"):
            store.store(rows)
        done.result()


def on_disk(store: FileStore) -> set[str]:
    return {str(path) for path in Path(store.folders["rows"]).rglob("*") if path.is_file() and path.suffix != ".crc"}


def test_files_are_stored_as_they_were_made(spark: SparkSession, store: FileStore, stored: list[PackedFile]) -> None:
    assert [file.values.get("source") for file in stored] == SOURCES * 2
    assert {file.place for file in stored} == on_disk(store)
    for file in stored:
        assert Path(file.place).stat().st_size == file.values["size"]
        assert pq.read_metadata(file.place).num_rows == file.values["rows"]
    found = read_packed(spark, stored, "id long", "source").collect()
    wanted = [(number, SOURCES[number % 3]) for number in range(40)]
    assert sorted(((row["id"], row["source"]) for row in found), key=lambda row: row[0]) == wanted
    assert read_packed(spark, [], "id long", "source").columns == ["id", "source"]


def test_files_have_the_folders_and_partition_values_of_the_table(store: FileStore, stored: list[PackedFile]) -> None:
    found = store.staged(stored[:3], SPEC)
    assert [file.published.rpartition("/")[0] for file in found] == [
        "source=yelp",
        "source=joe%27s 100%25 %22q%22%2Fa%3Db ü",
        "source=__HIVE_DEFAULT_PARTITION__",
    ]
    assert [file.entry["partitionValues"] for file in found] == [{"source": "yelp"}, {"source": ODD}, {"source": None}]
    assert [file.place("") for file in found] == [f"file://{file.place}" for file in stored[:3]]


def test_what_failed_leaves_no_files(spark: SparkSession, store: FileStore, tmp_path: Path) -> None:
    store_and_fail(spark, store, tmp_path / "told")
    assert on_disk(store) == set()


def test_an_error_of_tidying_up_does_not_replace_the_reason(
    spark: SparkSession,
    store: FileStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("delete: access denied")

    monkeypatch.setattr(plain_files, "hadoop_path", refuse)
    store_and_fail(spark, store, tmp_path / "told")
    assert "could be deleted: delete: access denied" in capsys.readouterr().err


def test_without_the_companion_storage_that_needs_it_is_refused(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = FileStore(spark, {"rows": str(tmp_path / "stored")})
    made.sink.folders = None
    monkeypatch.setattr(stored_files, "lacks_companion", lambda spark: True)  # noqa: ARG005
    with pytest.raises(CompanionError, match="Java classes of this package"):
        made.store(spark.range(3).mapInArrow(packer(made.sink), PACKED))


def test_large_files_reach_the_jvm_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_files, "PIECE_BYTES", 100)
    made = Packer(KEYS, codec="none")
    list(made.write(("a", "x"), pa.table({"id": list(range(100))})))
    rows = list(made.close())
    assert len(rows) > 5
    assert [row.column("size")[0].as_py() is None for row in rows] == [True] * (len(rows) - 1) + [False]
    whole = b"".join(row.column("piece")[0].as_py() for row in rows)
    assert len(whole) == rows[-1].column("size")[0].as_py()
    assert pq.read_table(pa.BufferReader(whole))["id"].to_pylist() == list(range(100))


def test_workers_give_files_the_permissions_that_hadoop_would_give(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with Packer(KEYS, Sink({"a": str(tmp_path)}, 0o027), ["source"]) as made:
            list(made.write(("a", "x"), pa.table({"id": [1]})))
            rows = list(made.close())
    finally:
        os.umask(before)
    path = tmp_path / rows[0].column("path")[0].as_py()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o640, 0o750)


def test_partition_folders_have_the_names_that_spark_gives_them(spark: SparkSession) -> None:
    jvm: Any = spark._jvm
    spark_name = jvm.org.apache.spark.sql.catalyst.catalog.ExternalCatalogUtils.getPartitionPathString
    signs = [chr(code) for code in (*range(0x1, 0x180), 0x2028, 0xD7FF, 0x1F600)]
    for value in [*signs, "", None, "".join(signs), ODD, "__HIVE_DEFAULT_PARTITION__"]:
        assert folder_name("so urce=", value) == spark_name("so urce=", value)


def test_a_full_file_is_closed_and_the_largest_goes_where_many_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_files, "FILE_BYTES", 1000)
    packer = Packer(KEYS, codec="none")
    some, many = (pa.table({"id": pa.array(range(count))}).cast(pa.schema([("id", pa.int64())])) for count in (50, 200))
    assert list(packer.write(("a", "x"), some)) == []
    rows = list(packer.write(("a", "x"), many))
    assert [content(row)["id"].to_pylist() for row in rows] == [[*range(50), *range(200)]]
    for name in "bcdefghij":
        rows += list(packer.write((name, "x"), some))
    assert len(rows) > 1
    rows += list(packer.close())
    assert len({row.column("path")[0].as_py() for row in rows}) == len(rows)
    assert sum(row.column("rows")[0].as_py() for row in rows) == 250 + 9 * 50
    assert list(packer.close()) == []


def test_dictionaries_are_kept_and_only_some_columns_have_statistics() -> None:
    words = pa.array(["good", "food", "good"]).dictionary_encode()
    table = pa.table({"position": [0, 1], "tokens": pa.ListArray.from_arrays([0, 2, 3], words)})
    packer = Packer(KEYS, statistics=["position"])
    list(packer.write(("tokens", "s"), table))
    (row,) = packer.close()
    assert content(row).to_pylist() == [
        {"position": 0, "tokens": ["good", "food"]},
        {"position": 1, "tokens": ["good"]},
    ]
    metadata = pq.ParquetFile(pa.BufferReader(row.column("piece")[0].as_py())).metadata.row_group(0)
    assert [metadata.column(number).is_stats_set for number in range(2)] == [True, False]
    assert metadata.column(1).path_in_schema == "tokens.list.element"
    assert "RLE_DICTIONARY" in metadata.column(1).encodings


def test_columns_whose_values_seldom_repeat_get_no_dictionary() -> None:
    packer = Packer(KEYS, plain=["id"])
    list(packer.write(("a", "b"), pa.table({"id": list(range(100)), "label": ["+", "-"] * 50})))
    (row,) = packer.close()
    metadata = pq.ParquetFile(pa.BufferReader(row.column("piece")[0].as_py())).metadata.row_group(0)
    assert ["RLE_DICTIONARY" in metadata.column(number).encodings for number in range(2)] == [False, True]
    assert content(row)["id"].to_pylist() == list(range(100))


@pytest.mark.parametrize("name", ["none", "uncompressed", "snappy", "gzip", "zstd", "lz4", "lz4_raw", "lzo", "ZSTD"])
def test_every_codec_of_spark_has_one_of_arrow(name: str) -> None:
    packer = Packer(KEYS, codec=arrow_codec(name))
    list(packer.write(("a", "b"), pa.table({"id": [1]})))
    (row,) = packer.close()
    assert content(row).to_pylist() == [{"id": 1}]
