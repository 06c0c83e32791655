import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from tests.cli.conftest import Run
from tests.factories.corpora import source_toml
from tests.factories.terminals import acted_on


@pytest.fixture
def config(write_config: Callable[[str], Path], tmp_path: Path) -> Path:
    """A pipeline whose warehouse has the results of two days, in two commits and partitioned as by score_table."""
    for day, rows in (("2026-01-30", 3), ("2026-01-31", 150)):
        table = pa.table({"id": range(rows), "label": ["1", "0", "1"] * (rows // 3), "ds": [day] * rows})
        deltalake.write_deltalake(tmp_path / "warehouse/results", table, mode="append", partition_by=["ds"])
    return write_config(source_toml("yelp"))


def test_sql_over_the_tables(textclf: Run, config: Path) -> None:
    sql = "SELECT ds, label, count(*) AS n FROM results GROUP BY ALL ORDER BY ALL"
    code, out, err = textclf("query", sql, "--config", config, "--format", "json")
    assert (code, err) == (0, "")
    assert [list(json.loads(line).values()) for line in out.splitlines()] == [
        ["2026-01-30", "0", 1], ["2026-01-30", "1", 2], ["2026-01-31", "0", 50], ["2026-01-31", "1", 100],
    ]  # fmt: skip
    _, out, _ = textclf("query", sql, "--config", config)
    assert out.splitlines()[0].split() == ["ds", "label", "n"]
    assert out.splitlines()[-1].split() == ["2026-01-31", "1", "100"]


def test_all_rows_as_csv_and_the_first_ones_for_people(textclf: Run, config: Path) -> None:
    _, out, _ = textclf(
        "query", "SELECT id FROM results WHERE ds = '2026-01-31'", "--config", config, "--format", "csv"
    )
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["id"]
    assert sorted(int(row[0]) for row in rows[1:]) == list(range(150))
    _, out, err = textclf("query", "SELECT id FROM results", "--config", config)
    assert len(out.splitlines()) == 102
    assert "Only the first 100 rows" in err


def test_without_sql_the_tables_are_listed(textclf: Run, config: Path) -> None:
    assert textclf("query", "--config", config)[:2] == (0, "results (version 1): id, label, ds\n")


def test_mistakes(textclf: Run, config: Path, write_config: Callable[[str], Path]) -> None:
    code, _, err = textclf("query", "SELECT nothing FROM results", "--config", config)
    assert code == 2
    assert "nothing" in err
    assert textclf("query", "INSERT INTO results SELECT * FROM results", "--config", config)[0] == 2
    empty = config.with_name("other.toml")
    empty.write_text(config.read_text().replace('warehouse"', 'empty"', 1))
    code, _, err = textclf("query", "SELECT 1", "--config", empty)
    assert (code, "The warehouse has no tables." in err) == (3, True)


HOSTILE = "a\x1b[2J\u202eb\x85é\u2028'\"\n"


def test_values_are_exact_in_a_pipe_and_escaped_for_people(config: Path) -> None:
    sql = f"SELECT '{HOSTILE.replace(chr(39), chr(39) * 2)}' AS \"x\x1b\" FROM results LIMIT 1"
    command = [sys.executable, "-m", "textclf", "query", sql, "--config", str(config), "--format"]
    for encoding in ("utf-8", "ascii", "latin-1"):
        environ = os.environ | {"PYTHONIOENCODING": encoding}
        out = {
            form: subprocess.run([*command, form], env=environ, capture_output=True, check=True).stdout
            for form in ("csv", "json", "table")
        }
        assert list(csv.reader(io.StringIO(out["csv"].decode(), newline=""))) == [["x\x1b"], [HOSTILE]]
        assert json.loads(out["json"]) == {"x\x1b": HOSTILE}
        assert acted_on(out["json"].decode(encoding) + out["table"].decode(encoding)) == []
        assert "x\\x1b" in out["table"].decode(encoding)
