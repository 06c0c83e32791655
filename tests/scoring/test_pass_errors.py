"""Full storage, damaged files and bad rows give a clear error or rejects, and nothing is partly published."""

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.scoring.scoring import ONE_MODEL, OPEN_GATE, ROUTED, Scoring, values
from textclf.errors import InputError

ROOT = Path(__file__).parents[2]
DAY = date(2026, 1, 30)
IN_A_SMALL_ROOM = 'mount -t tmpfs -o size=200k tmpfs "$0" && exec "$@"'


def can_mount() -> bool:
    command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=200k tmpfs "$0"', "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small tmpfs")
def test_full_storage_is_said_and_changes_nothing(spark: SparkSession, scoring: Scoring) -> None:
    scoring.configure(ONE_MODEL + OPEN_GATE)
    scoring.score(scoring.write([(1, "good"), (2, None)], "id long, text string"), day=DAY)
    before, found = scoring.versions(), values(scoring.results, "id", "run_id")
    path = str(scoring.folder / "large")
    spark.range(100_000).selectExpr("id", "concat('good ', uuid()) AS text").write.parquet(path)
    room = scoring.folder / f"warehouse/results/ds={DAY}"
    room.mkdir(exist_ok=True)

    job = [sys.executable, ROOT / "jobs/score_table.py", "--config", scoring.config, "--input", path, "--date", DAY]
    run = subprocess.run(
        ["unshare", "-m", "sh", "-c", IN_A_SMALL_ROOM, *map(str, (room, *job))],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1, run.stderr
    assert "The storage is full, so the scored rows cannot be written; nothing was published." in run.stderr
    assert json.loads(run.stdout)["status"] == "failed"
    assert scoring.versions() == before
    assert values(scoring.results, "id", "run_id") == found


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("delta", "cut"),
        ("parquet", "overwritten"),
        pytest.param("delta", "overwritten", marks=pytest.mark.long),
        pytest.param("parquet", "cut", marks=pytest.mark.long),
    ],
)
def test_a_damaged_file_of_the_input_is_said_and_changes_nothing(scoring: Scoring, kind: str, damage: str) -> None:
    scoring.configure(ONE_MODEL + OPEN_GATE)
    path = scoring.write([(id_, f"good food {id_}") for id_ in range(200)], "id long, text string", kind)
    scoring.score(path, day=DAY)
    before = scoring.versions()
    file = min(Path(path).glob("*.parquet"))
    data = file.read_bytes()
    half = len(data) // 2
    file.write_bytes(data[:half] if damage == "cut" else data[: half // 2] + b"\xff" * half + data[half // 2 + half :])
    for checksum in Path(path).glob(".*.crc"):
        checksum.unlink()  # object stores have no checksum files

    with pytest.raises(InputError, match=r"cannot be read") as error:
        scoring.score(path, day=DAY)

    assert "received: " in str(error.value)
    assert scoring.versions() == before
    assert scoring.staged() == []


def test_rows_that_are_poison_are_rejected_one_by_one(spark: SparkSession, scoring: Scoring) -> None:
    rows = {
        "id": [1, 2, 3, 4, None, 6, 7],
        # Bytes written below as a string column: readers take them for text without validation.
        "text": [b"good", b"good \xff\xfe", b"x " * (1 << 20), b"bad", b"good", b"\x00", b"\xed\xa0\x80"],
        "source": [b"yelp", b"yelp", b"yelp", b"\xc3\x28", b"yelp", b"yelp", b"yelp"],
    }
    typed = pa.table({"id": pa.array(rows["id"], pa.int64()), "text": rows["text"], "source": rows["source"]})
    pq.write_table(typed, scoring.folder / "bytes.parquet")
    raw = spark.read.parquet(str(scoring.folder / "bytes.parquet"))
    cast = raw.selectExpr("id", "cast(text AS string) text", "cast(source AS string) source", f"date'{DAY}' ds")
    cast.write.parquet(str(scoring.folder / "input"))
    scoring.configure(ROUTED + "max_text_bytes = 1000000\n" + OPEN_GATE)

    run = scoring.score(scoring.folder / "input")

    assert run.details["rejects"] == {"bad_source": 1, "null_id": 1, "oversized_text": 1, "undecodable_bytes": 2}
    assert values(scoring.results, "id") == [(1,), (6,)]
    rejects = values(scoring.rejects, "id", "reason")
    assert (3, "oversized_text") in rejects
    assert (2, "undecodable_bytes") in rejects


def test_a_long_text_within_the_limit_is_scored(spark: SparkSession, scoring: Scoring) -> None:
    path = str(scoring.folder / "long")
    spark.sql(
        "SELECT 1L AS id, concat(repeat('bad ', 3000000), 'good good good good good good') AS text"
    ).write.parquet(path)
    assert scoring.configure(ONE_MODEL).score(path, day=DAY).scored_rows == 1
