"""Delta tables that only Spark reads correctly are refused by name and never misread."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from tests.cli.conftest import Run
from tests.factories.corpora import source_toml
from textclf.cli.delta import delta_rows

FEATURES: dict[str, dict[str, Any]] = {
    "deletion vectors": {"minReaderVersion": 3, "minWriterVersion": 7, "features": ["deletionVectors"]},
    "column mapping": {"minReaderVersion": 3, "minWriterVersion": 7, "features": ["columnMapping"]},
    "column mapping of older tables": {"minReaderVersion": 2, "minWriterVersion": 5, "mode": "name"},
    "a feature of a later release": {"minReaderVersion": 3, "minWriterVersion": 7, "features": ["quantumRows"]},
    "a reader of a later release": {"minReaderVersion": 9, "minWriterVersion": 9},
}


def table_with(place: Path, **asked: Any) -> None:
    """Write a table of labelled texts whose log requires the given features."""
    rows = {"id": range(40), "text": [f"text {at}" for at in range(40)], "label": ["0", "1"] * 20}
    deltalake.write_deltalake(place, pa.table(rows))
    log = place / "_delta_log" / f"{0:020d}.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    features, mode = asked.pop("features", None), asked.pop("mode", None)
    for line in lines:
        if "protocol" in line:
            line["protocol"] = asked | ({"readerFeatures": features, "writerFeatures": features} if features else {})
        if "metaData" in line and mode:
            line["metaData"]["configuration"]["delta.columnMapping.mode"] = mode
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("feature", FEATURES)
def test_a_table_that_only_spark_reads_rightly_is_refused_by_name(
    textclf: Run, write_config: Callable[[str], Path], tmp_path: Path, feature: str
) -> None:
    table_with(tmp_path / "warehouse/results", **FEATURES[feature])
    config = write_config(source_toml("yelp"))
    code, out, err = textclf("query", "SELECT * FROM results", "--config", config)
    assert (code, out) == (3, "")
    assert "warehouse/results cannot be read without Spark." in err
    assert "query it with Spark SQL" in err
    assert "Traceback" not in err
    code, _, err = textclf("init", tmp_path / "warehouse/results", "--output", tmp_path / "made.toml")
    assert code == 3
    assert "cannot be read without Spark." in err
    assert not (tmp_path / "made.toml").exists()


@pytest.mark.parametrize("content", ["", "{", '{"add": 5}\n', "\x00" * 100])
def test_a_damaged_log_is_named(
    textclf: Run, write_config: Callable[[str], Path], tmp_path: Path, content: str
) -> None:
    table_with(tmp_path / "warehouse/results", minReaderVersion=1, minWriterVersion=2)
    (tmp_path / "warehouse/results/_delta_log" / f"{1:020d}.json").write_text(content)
    code, _, err = textclf("query", "--config", write_config(source_toml("yelp")))
    assert code in (0, 3)  # a reader may ignore some of these entries
    assert ("cannot be read without Spark" in err) == (code == 3)
    assert "Traceback" not in err


def test_rows_of_every_folder_are_found(tmp_path: Path) -> None:
    """Arrow's file system opens the files, so the escaped folder names in the log must be decoded."""
    days = ["a b", "é", "x/y", "it's", "50%", "a%20b", "{b}", "[c]", "q?x", "h#y", "a\\b", "😀", "a:b", "l\nf"]
    deltalake.write_deltalake(tmp_path / "r", pa.table({"id": range(len(days)), "ds": days}), partition_by=["ds"])
    place = (tmp_path / "r").rename(tmp_path / "50% [x]")
    assert sorted(delta_rows(place).to_table()["ds"].to_pylist()) == sorted(days)
