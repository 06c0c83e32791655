"""Publishing staged files has the same effect on rows, readers and other writers as writing them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

import deltalake
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType

from textclf.errors import LockError
from textclf.storage import Location, Warehouse, staged
from textclf.storage.conditions import EVERYTHING
from textclf.storage.file_commit import LostFilesError, copies_because, hand_over
from textclf.storage.leases.fence import Fence, close
from textclf.storage.publish import Slice, of_slices, replace_slices
from textclf.storage.run_points import listening
from textclf.storage.schemas import TableSpec, layout
from textclf.storage.staged_table import StagedFile, url_of
from textclf.storage.table_creation import begin

DAY, OTHER = date(2026, 1, 1), date(2026, 1, 2)
ODD = ["yelp", 'joe\'s 100% "q"/a=b ü', None]
COLUMNS = "id long, ds date, source string, score float, known_tokens int, run_id string"


@pytest.fixture
def place(spark: SparkSession, tmp_path: Path) -> Location:
    """Create a published table with a row for each day and source."""
    made = Location(path=str(tmp_path / "published"))
    rows = [(0, day, source, 0.5, 1, "old") for day in (DAY, OTHER) for source in ODD]
    made.replace(spark.createDataFrame(rows, COLUMNS), spec(spark), EVERYTHING)
    return made


def spec(spark: SparkSession) -> TableSpec:
    return TableSpec("published", spark.createDataFrame([], COLUMNS).schema, ("ds", "source"))


def stage_and_hand_over(spark: SparkSession, place: Location, root: Path, run: str, day: date, count: int) -> None:
    warehouse = Warehouse(str(root), None, f"{root}/models")
    rows: list[tuple[object, ...]] = [(at, day, source, 0.1, 2, run, None) for at in range(count) for source in ODD]
    rows.append((99, day, "yelp", None, None, run, "null_text"))
    df = spark.createDataFrame(rows, f"{COLUMNS}, reason string")
    shape = TableSpec("scored", df.schema, **layout(LongType()))
    write = partial(Location.replace, df=df.repartition(2), spec=shape, where=EVERYTHING)
    with staged(spark, warehouse, run, "scored", write) as table:
        assert table.rows.count() == len(rows)
        accepted = [file for file in table.files if not file.rejected]
        slices = of_slices([Slice(day, source) for source in ODD])
        hand_over(spark, str(table.place), accepted, place, spec(spark), slices)


def counts(found: list[tuple[object, ...]]) -> dict[tuple[object, ...], int]:
    return {key: found.count(key) for key in found}


def test_slices_are_replaced_whole_for_every_reader(spark: SparkSession, place: Location, tmp_path: Path) -> None:
    assert copies_because(spark, place, spec(spark)) is None
    stage_and_hand_over(spark, place, tmp_path, "new", DAY, 3)

    expected = {(DAY, source, "new"): 3 for source in ODD} | {(OTHER, source, "old"): 1 for source in ODD}
    rows = place.read(spark).select("ds", "source", "run_id").collect()
    assert counts([tuple(row) for row in rows]) == expected
    read = deltalake.DeltaTable(str(place)).to_pyarrow_table().to_pylist()
    assert counts([(row["ds"], row["source"], row["run_id"]) for row in read]) == expected
    # Delta counts rows by the statistics that were staged with the files.
    assert place.read(spark).count() == 12
    assert place.read(spark).where("score < 0.2").count() == 9
    assert list((tmp_path / "_staging").glob("*")) == []

    before = place.version(spark)
    hand_over(spark, "", [], place, spec(spark), of_slices([Slice(date(2020, 1, 1), "yelp")]))
    assert place.version(spark) == before  # nothing to clear, so no commit
    hand_over(spark, "", [], place, spec(spark), of_slices([Slice(DAY, None)]))
    assert place.read(spark).where("ds = '2026-01-01' AND source IS NULL").count() == 0


def test_who_loses_a_race_commits_again(spark: SparkSession, place: Location, tmp_path: Path) -> None:
    runs = [("a", DAY), ("b", DAY), ("c", OTHER)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda run: stage_and_hand_over(spark, place, tmp_path, run[0], run[1], 2), runs))
    found = place.read(spark).groupBy("ds", "source").agg(F.count("*"), F.count_distinct("run_id")).collect()
    assert {(row[2], row[3]) for row in found} == {(2, 1)}
    assert len(found) == 6


def test_tables_that_cannot_take_files_as_they_are(spark: SparkSession, place: Location, tmp_path: Path) -> None:
    other = TableSpec("t", spec(spark).schema, ("source", "ds"))
    assert copies_because(spark, place, other) == "the table has other partitions"
    assert "catalog" in str(copies_because(spark, Location(name="some.table"), other))
    assert copies_because(spark, Location(path=str(tmp_path / "nowhere")), spec(spark)) is None
    kinds = spark.createDataFrame([], COLUMNS.replace("score float", "score string")).schema
    assert (
        copies_because(spark, place, TableSpec("t", kinds, ("ds", "source"))) == "the table has columns of other types"
    )
    for column in ("run_id STRING NOT NULL", "run_id VARCHAR(30)", "run_id STRUCT<a: INT NOT NULL>"):
        strict = Location(path=f"{tmp_path}/{column}")
        spark.sql(f"CREATE TABLE delta.`{strict}` (ds DATE, {column}) USING delta PARTITIONED BY (ds)")
        columns = strict.read(spark).schema
        assert copies_because(spark, strict, TableSpec("t", columns, ("ds",))) == "the table has constraints"
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    assert copies_because(spark, place, spec(spark)) == "the table has features of Delta's writer version 7"


def in_place(spark: SparkSession, place: Location, run: str, columns: str = COLUMNS) -> list[StagedFile]:
    """Store a file with one row of the day in the table's own folder, as the scoring pass does."""
    name = f"ds={DAY}/source=yelp/part-{run}.parquet"
    row = (7, 0.1, 1, run, b"d")[: columns.count(",") - 1]
    kept = ", ".join(each for each in columns.split(", ") if not each.startswith(("ds ", "source ")))
    table = spark.createDataFrame([row], kept).toArrow()
    target = Path(str(place), name)
    if not place.exists(spark):
        begin(spark, str(place), spec(spark))
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, target)
    values = {"ds": str(DAY), "source": "yelp"}
    entry = {"path": f"{url_of(spark, str(place))}/{name}", "partitionValues": values, "dataChange": True}
    more = {"size": target.stat().st_size, "modificationTime": 0, "stats": '{"numRecords": 1}'}
    return [StagedFile(entry | more, name)]


def test_files_in_the_tables_folder_are_named_and_stay_what_they_are(spark: SparkSession, place: Location) -> None:
    files = in_place(spark, place, "new")
    path = Path(str(place), files[0].published)
    before, rows = path.stat().st_ino, place.read(spark).count()
    assert rows == 6  # nobody sees the file
    for _ in range(2):  # the second commit names what is named already
        hand_over(spark, "", files, place, spec(spark), of_slices([Slice(DAY, "yelp")]))
        assert path.stat().st_ino == before
        assert place.read(spark).where("run_id = 'new'").count() == 1
        assert place.read(spark).count() == 6
    assert len(place.delta(spark).history().collect()) == 2


def test_a_commit_of_files_creates_a_missing_table_and_adds_missing_columns(
    spark: SparkSession, place: Location, tmp_path: Path
) -> None:
    new = Location(path=str(tmp_path / "new"))
    hand_over(spark, "", in_place(spark, new, "first"), new, spec(spark), of_slices([Slice(DAY, "yelp")]))
    assert [row["run_id"] for row in new.read(spark).collect()] == ["first"]
    assert new.version(spark) == 0
    assert new.read(spark).schema == place.read(spark).schema

    more = f"{COLUMNS}, text_digest binary"
    wider = TableSpec("t", spark.createDataFrame([], more).schema, ("ds", "source"))
    hand_over(spark, "", in_place(spark, place, "wide", more), place, wider, of_slices([Slice(DAY, "yelp")]))
    found = place.read(spark).orderBy("id").select("run_id", "text_digest").collect()
    assert [tuple(row) for row in found] == [*[("old", None)] * 5, ("wide", bytearray(b"d"))]


def test_files_that_are_gone_are_found_before_the_commit(spark: SparkSession, place: Location) -> None:
    files, before = in_place(spark, place, "new"), place.version(spark)
    Path(str(place), files[0].published).unlink()
    with pytest.raises(LostFilesError, match="1 of 1 files missing"):
        hand_over(spark, "", files, place, spec(spark), of_slices([Slice(DAY, "yelp")]))
    assert place.version(spark) == before


def test_a_table_that_was_closed_to_a_run_takes_nothing_from_its_next_attempt(
    spark: SparkSession, place: Location
) -> None:
    dead = Fence("dead", again=True)  # it still holds its locks
    close(spark, place, ["dead"])
    before, condition = place.version(spark), of_slices([Slice(DAY, "yelp")])
    rows = spark.createDataFrame([(7, DAY, "yelp", 0.1, 1, "dead")], COLUMNS)

    for files in ([], in_place(spark, place, "dead")):
        with pytest.raises(LockError, match="has taken over from this run"):
            hand_over(spark, "", files, place, spec(spark), condition, dead)
    with pytest.raises(
        LockError, match="has taken over from this run"
    ):  # Delta's writer would skip this commit without an error
        replace_slices(place, rows, spec(spark), [Slice(DAY, "yelp")], dead)

    assert place.version(spark) == before
    replace_slices(place, rows, spec(spark), [Slice(DAY, "yelp")], Fence("alive", again=True))
    assert place.read(spark).where("id = 7").count() == 1


def test_files_that_are_gone_are_taken_back_and_the_rows_of_a_later_run_stay(
    spark: SparkSession, place: Location, tmp_path: Path
) -> None:
    """VACUUM removes files, and another run takes the lock and publishes one of the slices meanwhile."""
    done, rows = list[str](), spark.createDataFrame([(7, DAY, "yelp", 0.1, 1, "newer")], COLUMNS)

    def lose(point: str) -> None:
        if done or not point.startswith("committed"):
            return
        done.append(point)
        for path in Path(str(place)).glob("ds=2026-01-01/source=__HIVE*/*.parquet"):
            if path.name in staged_names:
                path.unlink()
        replace_slices(place, rows, spec(spark), [Slice(DAY, "yelp")])

    def lost() -> None:
        if done:
            raise LockError("lost")

    warehouse = Warehouse(str(tmp_path), None, f"{tmp_path}/models")
    new = [(1, DAY, source, 0.1, 2, "new", None) for source in ODD]
    df = spark.createDataFrame(new, f"{COLUMNS}, reason string")
    shape = TableSpec("scored", df.schema, **layout(LongType()))
    slices = of_slices([Slice(DAY, source) for source in ODD])
    write = partial(Location.replace, df=df, spec=shape, where=EVERYTHING)
    with staged(spark, warehouse, "new", "scored", write) as table:
        table.published = True
        staged_names = {Path(file.published).name for file in table.files}
        with listening(lose), pytest.raises(LostFilesError, match="Files were removed"):
            hand_over(spark, str(table.place), table.files, place, spec(spark), slices, Fence("new", lost))

    found = place.read(spark).where("ds = '2026-01-01'").select("source", "run_id").collect()
    assert {(row[0], row[1]) for row in found} == {("yelp", "newer"), (ODD[1], "old"), (None, "old")}
    assert len(found) == 3
