import pickle
import random
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from sklearn.model_selection import train_test_split

from textclf.config import Split
from textclf.errors import InputError
from textclf.text import split as split_module
from textclf.text.split import SourceSplit, plan_splits, split_of, splits_of

Row = tuple[str, str, int]


def corpus_rows(spark: SparkSession, rows: Iterable[Row]) -> DataFrame:
    return spark.createDataFrame(list(rows), "source string, file string, position long")


def sides(split: SourceSplit, rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Return the training and the test rows, each in the order of the split."""
    found: tuple[list[tuple[int, Row]], list[tuple[int, Row]]] = ([], [])
    for row in rows:
        is_test, order = split.assign(row[1], np.array([row[2]]))
        found[int(is_test[0])].append((int(order[0]), row))
    return [row for _, row in sorted(found[0])], [row for _, row in sorted(found[1])]


@pytest.mark.parametrize(
    ("rows", "test_size", "seed"),
    [
        (2, 0.5, 0),
        (3, 0.25, 1000),
        (10, 0.3, 7),
        (10, 0.7, 42),
        (99, 0.01, 4294967295),
        (1000, 0.25, 1000),
        (1001, 0.1, 3),
    ],
)
def test_permutation_is_that_of_scikit_learn(spark: SparkSession, rows: int, test_size: float, seed: int) -> None:
    data = [("s", "f", position) for position in range(rows)]
    split = plan_splits(corpus_rows(spark, data), Split(test_size=test_size, seed=seed))["s"]
    training, test = sides(split, data)
    expected_training, expected_test = train_test_split(data, test_size=test_size, random_state=seed)
    assert training == [tuple(row) for row in expected_training]
    assert test == [tuple(row) for row in expected_test]
    assert (split.training_rows, split.test_rows) == (len(training), len(test))


@pytest.mark.parametrize("test_size", [0.1, 0.3, 0.55, 1 / 3, 0.07])
def test_number_of_test_rows_is_that_of_scikit_learn_for_floats_too(spark: SparkSession, test_size: float) -> None:
    data = [(f"s{rows}", "f", position) for rows in (20, 30, 60, 100) for position in range(rows)]
    splits = plan_splits(corpus_rows(spark, data), Split(test_size=test_size))
    expected = {f"s{n}": len(train_test_split(range(n), test_size=test_size)[1]) for n in (20, 30, 60, 100)}
    assert {source: split.test_rows for source, split in splits.items()} == expected


@pytest.mark.parametrize("in_the_plan", [0, 200])
def test_rows_are_counted_over_gaps_and_files_in_the_order_of_names(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, in_the_plan: int
) -> None:
    monkeypatch.setattr(split_module, "MOST_IN_THE_PLAN", in_the_plan)
    kept = {"b.txt": [0, 1, 2, 5, 6, 40, 41], "a.txt": [3, 4, 9], "c.txt": [0, 1, 2], "B.txt": [7]}
    data = [("s", file, position) for file in sorted(kept) for position in kept[file]]
    others = [("t", "a.txt", position) for position in range(50)]
    split = plan_splits(corpus_rows(spark, [*others, *reversed(data)]), Split(test_size=0.3, seed=5))["s"]
    expected = train_test_split(data, test_size=0.3, random_state=5)
    assert sides(split, data) == tuple(expected)


def test_partitions_do_not_matter(spark: SparkSession) -> None:
    data = [("s", f"f{position % 3}", position) for position in range(200) if position % 7]
    corpus = corpus_rows(spark, data)
    splits = [plan_splits(part, Split())["s"] for part in (corpus.coalesce(1), corpus.repartition(13))]
    assert sides(splits[0], data) == sides(splits[1], data)


@pytest.mark.parametrize(
    "settings", [Split(test_size=0.3, seed=5), Split(method="hash", test_size=0.3, seed=2)], ids=str
)
@pytest.mark.parametrize("step", [1, 3])
def test_rows_that_the_driver_holds_are_split_as_those_of_a_table(
    spark: SparkSession, settings: Split, step: int
) -> None:
    data = [("s", f"f{position % 3}", step * (position // 3)) for position in range(200)]
    there = plan_splits(corpus_rows(spark, data), settings)["s"]
    _, files, positions = zip(*random.Random(1).sample(data, len(data)), strict=True)
    here = split_of("s", pa.chunked_array([files[:50], files[50:]]), pa.chunked_array([positions]), settings)
    assert (here.rows, here.test_rows) == (there.rows, there.test_rows)
    assert sides(here, data) == sides(there, data)


def test_all_sources_of_a_table_that_the_driver_holds_are_split(spark: SparkSession) -> None:
    data = [(name, f"f{row % 2}", row) for name, rows in (("s", 40), ("t", 30)) for row in range(rows)]
    random.Random(2).shuffle(data)
    table = pa.Table.from_pylist([dict(zip(("source", "file", "position"), row, strict=True)) for row in data])
    there, here = plan_splits(corpus_rows(spark, data), Split()), splits_of(table, Split(), ["s", "t"])
    rows = {name: [row for row in data if row[0] == name] for name in ("s", "t")}
    assert {name: sides(found, rows[name]) for name, found in here.items()} == {
        name: sides(found, rows[name]) for name, found in there.items()
    }
    with pytest.raises(InputError, match=r"no rows of 2 of the requested sources\.\n  received: no rows of x, y"):
        splits_of(table, Split(), ["s", "x", "y"])


@pytest.mark.parametrize(
    ("positions", "words"),
    [([0, 1, 1, 2], "position 1 of f more than once"), ([0], "too few rows"), ([], "no rows of s")],
)
def test_rows_that_cannot_be_split_are_refused_alike(positions: list[int], words: str) -> None:
    files = pa.chunked_array([pa.array(["f"] * len(positions), pa.string())])
    with pytest.raises(InputError, match=words):
        split_of("s", files, pa.chunked_array([pa.array(positions, pa.int64())]), Split())


def test_it_travels_to_executors_without_the_permutation(spark: SparkSession) -> None:
    data = [("s", "f", position) for position in range(5000)]
    split = plan_splits(corpus_rows(spark, data), Split())["s"]
    split.assign("f", np.arange(5000))
    sent = pickle.dumps(split)
    assert len(sent) < 2000
    assert sides(pickle.loads(sent), data) == sides(split, data)


def test_hash_keeps_file_order_and_about_the_share(spark: SparkSession) -> None:
    data = [("s", file, position) for file in ("a", "b") for position in range(5000) if position % 10]
    split = plan_splits(corpus_rows(spark, data), Split(method="hash", test_size=0.2, seed=1))["s"]
    training, test = sides(split, data)
    assert (training, test) == (sorted(training), sorted(test))
    assert (split.training_rows, split.test_rows) == (len(training), len(test))
    assert len(test) / len(data) == pytest.approx(0.2, abs=0.02)


def test_hash_puts_a_row_on_the_same_side_whatever_else_the_corpus_holds(spark: SparkSession) -> None:
    data = [("s", "b", position) for position in range(100)]
    settings = Split(method="hash", seed=3)
    alone = plan_splits(corpus_rows(spark, data), settings)["s"]
    among = plan_splits(corpus_rows(spark, [*data, *(("s", "a", position) for position in range(30))]), settings)["s"]
    positions = np.arange(100)
    assert alone.assign("b", positions)[0].tolist() == among.assign("b", positions)[0].tolist()
    # A literal, so that a change in this code or in NumPy is noticed.
    assert alone.assign("b", np.arange(12))[0].astype(int).tolist() == HASHED


HASHED = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]


def test_hash_depends_on_seed_and_file(spark: SparkSession) -> None:
    data = [("s", file, position) for file in ("a", "b") for position in range(100)]
    one, two = (plan_splits(corpus_rows(spark, data), Split(method="hash", seed=seed))["s"] for seed in (1, 2))
    positions = np.arange(100)
    assert one.assign("a", positions)[0].tolist() != two.assign("a", positions)[0].tolist()
    assert one.assign("a", positions)[0].tolist() != one.assign("b", positions)[0].tolist()


@pytest.mark.parametrize(("rows", "test_size"), [(1, 0.25), (2, 0.75), (3, 0.9)])
def test_too_few_rows_are_refused(spark: SparkSession, rows: int, test_size: float) -> None:
    data = [("tiny", "f", position) for position in range(rows)]
    with pytest.raises(InputError, match=f"Source tiny has too few rows to split.\n  received: {rows} accepted rows"):
        plan_splits(corpus_rows(spark, data), Split(test_size=test_size))


def test_a_hash_that_leaves_a_side_empty_is_refused(spark: SparkSession) -> None:
    with pytest.raises(InputError, match="makes 0 test rows"):
        plan_splits(corpus_rows(spark, [("s", "f", 0), ("s", "f", 1)]), Split(method="hash", test_size=1e-9))


def test_a_record_held_twice_is_refused(spark: SparkSession) -> None:
    with pytest.raises(InputError, match="position 1 of f more than once"):
        plan_splits(corpus_rows(spark, [("s", "f", position) for position in (0, 1, 1, 2)]), Split())


def test_a_file_that_came_later_is_refused(spark: SparkSession) -> None:
    split = plan_splits(corpus_rows(spark, [("s", "f", position) for position in range(9)]), Split())["s"]
    with pytest.raises(InputError, match="received: g"):
        split.assign("g", np.array([0]))
