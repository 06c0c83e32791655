"""Parquet files made by workers are stored byte for byte and described correctly."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from textclf.storage import worker_files
from textclf.storage.stored_files import PackedFile, read_packed, store_packed
from textclf.storage.worker_files import COLUMNS, MAGIC, Packer, arrow_codec

ODD = 'joe\'s 100% "q"/a=b ü'
KEYS = ("kind", "source")


def numbers(rows: list[pa.RecordBatch]) -> list[int]:
    return [row.column("number")[0].as_py() for row in rows]


def content(row: pa.RecordBatch) -> pa.Table:
    return pq.read_table(pa.BufferReader(row.column("value")[0].as_py() + MAGIC))


@pytest.fixture
def stored(spark: SparkSession, tmp_path: Path) -> tuple[str, list[PackedFile]]:
    """Store the files of three tasks: two with a file for each of three sources, one without rows."""

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        packer = Packer(KEYS, statistics=["id"])
        for batch in batches:
            for number, source in enumerate(["yelp", ODD, None]):
                rows = batch.filter(pa.array([value % 3 == number for value in batch.column(0).to_pylist()]))
                yield from packer.write(("rows", source), pa.table(rows))
        yield from packer.close()

    ids = spark.range(0, 60, numPartitions=3).where("id < 40")
    packed = ids.mapInArrow(pack, f"kind string, source string, {COLUMNS}")
    folder = str(tmp_path / "a folder%20 [1] {x}" / "stored")
    return folder, store_packed(packed, folder)


def test_files_are_stored_as_they_were_made(
    spark: SparkSession, stored: tuple[str, list[PackedFile]], tmp_path: Path
) -> None:
    folder, files = stored
    assert [file.values.get("source") for file in files] == ["yelp", ODD, None] * 2
    for file in files:
        path = Path(folder, file.name)
        assert path.stat().st_size == file.values["size"]
        assert pq.read_metadata(path).num_rows == file.values["rows"]
    found = read_packed(spark, folder, files, "id long", "source").collect()
    wanted = [(number, ["yelp", ODD, None][number % 3]) for number in range(40)]
    assert sorted(((row["id"], row["source"]) for row in found), key=lambda row: row[0]) == wanted
    assert read_packed(spark, folder, [], "id long", "source").columns == ["id", "source"]


def test_a_file_that_has_gone_is_noticed(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        packer = Packer(KEYS)
        for batch in batches:
            yield from packer.write(("rows", None), pa.table(batch))
        yield from packer.close()

    monkeypatch.setattr("textclf.storage.stored_files._listed", lambda *_: iter(()))
    rows = spark.range(3).mapInArrow(pack, f"kind string, source string, {COLUMNS}")
    with pytest.raises(OSError, match=r"files that were stored in .* are missing"):
        store_packed(rows, str(tmp_path / "stored"))


def test_staged_files_have_the_folders_and_partition_values_of_the_table(
    spark: SparkSession, stored: tuple[str, list[PackedFile]]
) -> None:
    found = [file.staged(spark, ["source"]) for file in stored[1][:3]]
    assert [file.published.rpartition("/")[0] for file in found] == [
        "source=yelp",
        "source=joe%27s 100%25 %22q%22%2Fa%3Db ü",
        "source=__HIVE_DEFAULT_PARTITION__",
    ]
    assert [file.entry["partitionValues"] for file in found] == [{"source": "yelp"}, {"source": ODD}, {"source": None}]
    assert [file.path for file in found] == [file.name for file in stored[1][:3]]


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
    assert numbers(rows) == list(range(len(rows)))
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
    metadata = pq.ParquetFile(pa.BufferReader(row.column("value")[0].as_py() + MAGIC)).metadata.row_group(0)
    assert [metadata.column(number).is_stats_set for number in range(2)] == [True, False]
    assert metadata.column(1).path_in_schema == "tokens.list.element"
    assert "RLE_DICTIONARY" in metadata.column(1).encodings


def test_columns_whose_values_seldom_repeat_get_no_dictionary() -> None:
    packer = Packer(KEYS, plain=["id"])
    list(packer.write(("a", "b"), pa.table({"id": list(range(100)), "label": ["+", "-"] * 50})))
    (row,) = packer.close()
    metadata = pq.ParquetFile(pa.BufferReader(row.column("value")[0].as_py() + MAGIC)).metadata.row_group(0)
    assert ["RLE_DICTIONARY" in metadata.column(number).encodings for number in range(2)] == [False, True]
    assert content(row)["id"].to_pylist() == list(range(100))


@pytest.mark.parametrize("name", ["none", "uncompressed", "snappy", "gzip", "zstd", "lz4", "lz4_raw", "lzo", "ZSTD"])
def test_every_codec_of_spark_has_one_of_arrow(name: str) -> None:
    packer = Packer(KEYS, codec=arrow_codec(name))
    list(packer.write(("a", "b"), pa.table({"id": [1]})))
    (row,) = packer.close()
    assert content(row).to_pylist() == [{"id": 1}]
