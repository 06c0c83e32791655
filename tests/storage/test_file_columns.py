"""Columns of Parquet files are selected by exact name, whatever other columns the files and folders have."""

import datetime
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.factories.parquet_columns import odd_types
from textclf.errors import InputError
from textclf.storage.files.columns import FileTable, file_of, open_parquet, quoted
from textclf.storage.files.folder_names import old_values
from textclf.storage.files.listing import list_files


def write(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, version="2.6")
    return path


def opened(
    spark: SparkSession,
    path: Path,
    wanted: Collection[str] | None = ("text", "label"),
    types: Literal["text", "inferred"] = "text",
    *,
    recursive: bool = True,
) -> FileTable:
    return open_parquet(spark, list_files(spark, str(path), "Source s", recursive=recursive), wanted, "Source s", types)


def rows_of(table: FileTable, *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in table.rows.select(*map(quoted, names)).collect()), key=str)


VALUES = (
    "001", "1", "1d", "1e3", "1.0", "+5", "2026-01-05", "2026-01-05 00:00:00", "true", "NaN", " 7", "1.50", "a/b",
    "50%", "é", "\U0001f600", "a b+c", "x=y", "12345678901234567890", "'\"`$\\", "%41", "[1]{2}*?", "١", "0x10", "null",
)  # fmt: skip


def escaped(value: str) -> str:
    """Return a value escaped as Spark writes it in a folder name."""
    return "".join(f"%{ord(sign):02X}" if sign in "\"#%'*/:=?\\\x7f{[]^" or sign < " " else sign for sign in value)


@pytest.mark.parametrize("irregular", [False, True])
def test_folders_names_are_texts_as_they_are_written(spark: SparkSession, tmp_path: Path, irregular: bool) -> None:
    for value in VALUES:
        write(tmp_path / f"label={escaped(value)}" / "a.parquet", text=[value])
    write(tmp_path / "label=__HIVE_DEFAULT_PARTITION__" / "a.parquet", text=["none"])
    expected: list[tuple[str, str | None]] = [(value, value) for value in VALUES]
    expected.append(("none", None))
    if irregular:
        write(tmp_path / "b.parquet", text=["top"])
        expected.append(("top", None))
    table = opened(spark, tmp_path)
    assert table.keys == ("label",)
    assert rows_of(table, "text", "label") == sorted(expected, key=str)


def test_layouts_that_differ_leave_nothing_out(spark: SparkSession, tmp_path: Path) -> None:
    for folder in ("a=1", "b=2", "a=1/b=3", "b=4/a=5", "A=6", "plain", "plain/a=7", ".", "a=", "=8", "a=9/x/b=10"):
        write(tmp_path / folder / "p.parquet", text=[folder])
    found = {row[0]: row[1:] for row in rows_of(opened(spark, tmp_path, ("text", "a", "b")), "text", "a", "b")}
    assert found == {
        "a=1": ("1", None), "b=2": (None, "2"), "a=1/b=3": ("1", "3"), "b=4/a=5": ("5", "4"), "A=6": (None, None),
        "plain": (None, None), "plain/a=7": ("7", None), ".": (None, None), "a=": (None, None), "=8": (None, None),
        "a=9/x/b=10": ("9", "10"),
    }  # fmt: skip


@pytest.mark.parametrize("recursive", [True, False])
def test_subfolders_of_partitions_are_read_unless_they_are_not_wanted(
    spark: SparkSession, tmp_path: Path, recursive: bool
) -> None:
    for folder in ("label=001", "label=001/more", "label=2/sub/deep"):
        write(tmp_path / folder / "p.parquet", text=[folder])
    found = rows_of(opened(spark, tmp_path, recursive=recursive), "text", "label")
    nested = [("label=001/more", "001"), ("label=2/sub/deep", "2")] if recursive else []
    assert found == [("label=001", "001"), *nested]


def test_a_files_own_columns_win_over_its_folders(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "label=001" / "value=abc" / "p.parquet", text=["a"], label=["own"])
    write(tmp_path / "label=002" / "value=abc" / "p.parquet", text=["b"], label=["mine"])
    table = opened(spark, tmp_path, ("text", "label", "value"))
    assert rows_of(table, "text", "label", "value") == [("a", "own", "abc"), ("b", "mine", "abc")]
    assert table.columns == ("text", "label", "value")


@pytest.mark.parametrize("extra", [[], ["plain"], ["ds=2026-01-05/more"]])
def test_a_filter_on_a_folders_name_opens_no_other_folder(
    spark: SparkSession, tmp_path: Path, extra: list[str]
) -> None:
    for folder in ("ds=2026-01-05", "ds=2026-01-06", "ds=2026-01-07", *extra):
        write(tmp_path / folder / "p.parquet", text=[folder])
    for broken in ("ds=2026-01-06", "ds=2026-01-07"):  # not Parquet: opening one of these fails
        (tmp_path / broken / "q.parquet").write_text("no Parquet")
    day = F.col("ds").try_cast("date") == F.lit(datetime.date(2026, 1, 5))
    table = opened(spark, tmp_path, ("text", "ds"))
    assert table.rows.where(day).select("text").distinct().count() == 1 + ("ds=2026-01-05/more" in extra)


NAMES = (
    "a.b",
    "c`d",
    "*",
    "_metadata",
    "",
    " x ",
    "$x",
    "a\nb",
    "é",
    "SELECT",
    "a.b.c",
    "`a`",
    "text;--",
    "value",
    "Path",
)


def test_columns_of_any_name_are_read(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", **{name: [f"<{name}>"] for name in NAMES}, a=[{"b": "wrong", "b.c": "wrong"}])
    table = opened(spark, tmp_path, NAMES)
    assert rows_of(table, *NAMES) == [tuple(f"<{name}>" for name in NAMES)]
    file = table.rows.select(file_of(table.rows)["file_path"]).collect()[0][0]
    assert file == f"file:{tmp_path}/a.parquet"


def test_types_that_nobody_asked_for_do_not_matter(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", text=["good"], label=["1"], **odd_types())
    write(tmp_path / "b.parquet", text=["bad"], label=["0"])
    table = opened(spark, tmp_path)
    assert rows_of(table, "text", "label") == [("bad", "0"), ("good", "1")]
    assert table.columns == ("text", "label", *odd_types())


UDT = {"type": "udt", "class": "org.gone.Point", "pyClass": "odd_module.Point", "sqlType": "string"}


def test_classes_that_a_file_names_are_not_looked_for(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd_module.py").write_text("raise SystemExit('a file of data was run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds: dict[str, Any] = {
        "point": UDT,
        "scala": {key: value for key, value in UDT.items() if key != "pyClass"},
        "array": {"type": "array", "elementType": UDT, "containsNull": True},
        "map": {"type": "map", "keyType": "string", "valueType": UDT, "valueContainsNull": True},
        "deep": {"type": "struct", "fields": [{"name": "x", "type": UDT, "nullable": True, "metadata": {}}]},
    }
    types = {"text": "string", "label": "string", **kinds}
    fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in types.items()]
    file = _as_sparks(tmp_path / "p", json.dumps({"type": "struct", "fields": fields}), list(types))
    for merge in ("false", "true"):
        spark.conf.set("spark.sql.parquet.mergeSchema", merge)
        try:
            table = opened(spark, file)
            assert rows_of(table, "text", "label") == [("text", "label")]
            if merge == "false":
                assert table.columns == tuple(types)
                for name in kinds:
                    with pytest.raises(InputError, match=f"a type that Spark cannot read(?s:.)*{name}: "):
                        opened(spark, file, ["text", name])
        finally:
            spark.conf.unset("spark.sql.parquet.mergeSchema")


DAMAGED = (
    "", "{", "[]", "{}", '{"fields": 1}', '{"fields": [{"name": "text"}]}',
    '{"fields": [{"name": "text", "type": "?", "nullable": true}]}',
)  # fmt: skip


def test_damaged_types_of_sparks_are_taken_from_the_file(spark: SparkSession, tmp_path: Path) -> None:
    for said in DAMAGED:
        file = _as_sparks(tmp_path, said, ["text", "label"])
        assert rows_of(opened(spark, file), "text", "label") == [("text", "label")]


def _as_sparks(folder: Path, said: str, names: list[str]) -> Path:
    """Write a file whose columns contain their own names, with Spark's schema in the footer."""
    folder.mkdir(exist_ok=True)
    made = pa.table({name: [name] for name in names})
    file = folder / "a.parquet"
    pq.write_table(made.replace_schema_metadata({"org.apache.spark.sql.parquet.row.metadata": said}), file)
    return file


@pytest.mark.parametrize("name", ["created", "half", "nested"])
def test_a_wanted_type_that_spark_does_not_have_is_refused_by_name(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    write(tmp_path / "a.parquet", text=["good"], **odd_types())
    with pytest.raises(InputError, match=f"received: .*{name}") as caught:
        opened(spark, tmp_path, ("text", name))
    assert "type that Spark cannot read" in str(caught.value)


def test_columns_that_differ_in_case_are_told_apart_or_refused(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", text=["good"], Text=["bad"], label=["1"])
    with pytest.raises(InputError, match="differ only in case") as caught:
        opened(spark, tmp_path)
    assert "text, Text" in str(caught.value)
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        assert rows_of(opened(spark, tmp_path), "text", "label") == [("good", "1")]
    finally:
        spark.conf.unset("spark.sql.caseSensitive")


def test_schemas_that_evolve_are_those_of_the_first_file_or_merged(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", text=["first"], label=["1"])
    write(tmp_path / "b.parquet", label=["0"], more=[1], text=["second"])
    write(tmp_path / "c.parquet", text=["third"])
    assert rows_of(opened(spark, tmp_path), "text", "label") == [("first", "1"), ("second", "0"), ("third", None)]
    assert opened(spark, tmp_path, None).columns == ("text", "label")
    spark.conf.set("spark.sql.parquet.mergeSchema", "true")
    try:
        assert opened(spark, tmp_path, None).columns == ("text", "label", "more")
        assert rows_of(opened(spark, tmp_path, ("more",)), "more") == [(1,), (None,), (None,)]
    finally:
        spark.conf.unset("spark.sql.parquet.mergeSchema")


def test_files_of_a_delta_table_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(1).write.format("delta").save(str(tmp_path / "tables" / "one"))
    for path in (tmp_path / "tables", tmp_path / "tables" / "one"):
        with pytest.raises(InputError, match="files of a Delta table"):
            opened(spark, path)


def test_inferred_types_are_those_of_earlier_releases(spark: SparkSession, tmp_path: Path) -> None:
    for number, values in enumerate((("007", "1"), ("1d", "2"), ("1e3",), ("007", "x"), ("2026-01-05",), ("1", "2"))):
        folder = tmp_path / str(number)
        for value in values:
            write(folder / f"label={value}" / "p.parquet", text=[value])
        before = spark.read.parquet(str(folder))
        now = opened(spark, folder, types="inferred")
        assert now.rows.schema["label"].dataType == before.schema["label"].dataType
        texts: DataFrame = before.select("text", F.col("label").cast("string"))
        old = {row[0]: row[1] for row in texts.collect() if row[0] != row[1]}
        assert old_values(spark, now.listing, "label") == old
    write(tmp_path / "0" / "p.parquet", text=["top"])
    with pytest.raises(InputError, match="no type can be inferred"):
        opened(spark, tmp_path / "0", types="inferred")
