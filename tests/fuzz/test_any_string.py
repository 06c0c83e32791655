"""Any string as a source, id, label or column name gives the same rows as a plain one, or the documented reject."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.soak.any_strings import STRINGS, StringWorld, drawn_strings, kept_source, through_all_runs
from tests.soak.tables import world_columns

FEW = ["${env:HOME}", "it's", "back\\", "a\nb\u202e😀", "x" * 300, "nul\0nul"]


def test_any_string_gives_the_rows_of_a_plain_name_or_the_stated_reject(spark: SparkSession, tmp_path: Path) -> None:
    world = StringWorld(spark, tmp_path, FEW, world_columns(FEW))
    assert world.columns == FEW[:4]
    assert world.labels == ["plain", "${env:HOME}"]

    assert through_all_runs(world) == []


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("it's", ("it's", False)),
        ("", (None, False)),
        ("a\0", (None, True)),
        ("x" * 248, ("x" * 248, False)),
        ("x" * 249, (None, True)),
        ("/" * 82, ("/" * 82, False)),
        ("/" * 83, (None, True)),
        ("😀" * 90, (None, True)),
    ],
)
def test_a_source_without_a_folder_is_a_stated_reject(value: str, kept: tuple[str | None, bool]) -> None:
    assert kept_source(value) == kept


def test_drawn_strings_are_a_function_of_their_number() -> None:
    assert drawn_strings(1, 2, 5) == drawn_strings(1, 2, 5) != drawn_strings(1, 3, 5)
    assert len(set(STRINGS)) == len(STRINGS)
