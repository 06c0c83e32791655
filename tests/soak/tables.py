"""Score random tables twice each with ``score_table``: the counts must be exact and the rows the same.

    python -m tests.soak.tables [--tables 200] [--strings 10] [--seed 1] [--minutes M] [--folder build/soak]

After the tables, batches of hostile strings are tried in every place that takes a string. The figures are saved in the
folder, and the same command resumes a campaign that was stopped. The number of rows by outcome and the differences are
printed; the exit code is 1 if there are any differences.
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from pyspark.sql import SparkSession

from tests.scoring.tables import Table, check, tables
from tests.soak.any_strings import STRINGS, StringWorld, drawn_strings, through_all_runs
from tests.soak.session import soak_session
from tests.soak.soak_state import FOLDER, SoakState, soak

_DRAWN = 60  # Hypothesis draws the simplest tables first
_STRINGS = 12  # strings in a batch: each adds one or two folders to every run


def table_of(start: int, number: int) -> Table:
    """Return table ``number`` of a seed: the largest of the tables that Hypothesis draws."""
    drawn: list[Table] = []

    @seed(start * 1_000_000 + number)
    @settings(max_examples=_DRAWN, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(tables())
    def draw(table: Table) -> None:
        drawn.append(table)

    draw()
    return max(drawn, key=lambda table: len(table.rows))


def table_batch(spark: SparkSession, folder: Path, start: int, number: int) -> tuple[Counter[str], list[str]]:
    """Score one table twice and check it."""
    table = table_of(start, number)
    figures = Counter({"tables": 1, "rows": len(table.rows), f"tables with ids of {table.id_type}": 1})
    folder.mkdir(parents=True)
    try:
        reasons = check(spark, folder, table, runs=2)
    except Exception as error:  # noqa: BLE001 - any exception is a finding
        return figures, [f"table {number} of seed {start}: {type(error).__name__}: {str(error)[:2000]}"]
    finally:
        shutil.rmtree(folder)
    if reasons.total() != len(table.rows):
        return figures, [f"table {number} of seed {start}: {reasons.total()} rows of {len(table.rows)}"]
    return figures + Counter({f"rows {reason or 'scored'}": rows for reason, rows in reasons.items()}), []


def string_batch(spark: SparkSession, folder: Path, start: int, number: int) -> tuple[Counter[str], list[str]]:
    """Try strings as sources, ids, labels and column names of the input in all kinds of runs."""
    first = number * _STRINGS
    strings = list(STRINGS[first : first + _STRINGS]) or drawn_strings(start, number, _STRINGS)
    folder.mkdir(parents=True)
    try:
        world = StringWorld(spark, folder, strings, world_columns(strings))
        differ = [f"strings {number} of seed {start}: {each}" for each in through_all_runs(world)]
    except Exception as error:  # noqa: BLE001 - as above
        differ = [f"strings {number} of seed {start}: {type(error).__name__}: {str(error)[:2000]}"]
    finally:
        shutil.rmtree(folder)
    return Counter({"strings": len(strings), "batches of strings": 1}), differ


def world_columns(strings: list[str]) -> list[str]:
    """Return distinct, valid names for the id, text, source and date columns."""
    names: dict[str, str] = {}
    for value in strings:
        if value.strip() and "\0" not in value:
            names.setdefault(value.lower(), value)
    return [*list(names.values())[:4], "id", "text", "source", "ds"][:4]


def main() -> int:
    """Run the tables and the strings."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--tables", type=int, default=200)
    made.add_argument("--strings", type=int, default=10, help="batches of strings")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--folder", type=Path, default=FOLDER)
    made.add_argument("--minutes", type=float, default=float("inf"), help="begin no table after so long")
    args = made.parse_args()
    states = [SoakState.take_up(args.folder / f"{name}.json", args.seed) for name in ("tables", "strings")]
    with tempfile.TemporaryDirectory() as scratch, soak_session(Path(scratch)) as spark:
        work = Path(scratch, "batch")
        for state, one, figure, wanted in (
            (states[0], table_batch, "tables", args.tables),
            (states[1], string_batch, "batches of strings", args.strings),
        ):
            soak(
                state,
                lambda number, one=one: one(spark, work, args.seed, number),  # type: ignore[misc]
                figure=figure,
                wanted=wanted,
                minutes=args.minutes,
            )
    return states[0].say() | states[1].say()


if __name__ == "__main__":
    sys.exit(main())
