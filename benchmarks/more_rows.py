"""What 10 million more rows cost a whole job, beside Spark's copy of the table as a whole process.

    python benchmarks/more_rows.py [--rows 2000000 12000000] [--rounds 5] [--cores 2] [--checkout FOLDER ...]

In each round ``copy`` (a bare PySpark script that reads the table and writes it as Parquet) and ``score_table`` (the
job as users start it, on a day of its own) run on both tables, each in a process of its own. Texts have 20 words on
average. What the rows cost is the difference of the two runs of a round, without the start of Java and what else does
not depend on rows. With ``--checkout``, the job of other checkouts of the project runs in turn with this one's.

Printed: the median seconds of each; the median over rounds of the difference, in times of ``copy``'s; and with other
checkouts, the rounds' seconds on the smaller table in times of this one's.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.scoring import PIPELINE, make_model, write_texts  # noqa: E402

_LENGTH = 20  # words of a text
_FILE = 500_000  # rows of a file
_COPY = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master(sys.argv[1]).getOrCreate()
spark.read.parquet(sys.argv[2]).write.mode("overwrite").parquet(sys.argv[3])
"""


def seconds(command: list[str], checkout: Path, **variables: str) -> float:
    """Wall time of a process with the code of a checkout."""
    environ = os.environ | {"PYTHONPATH": str(checkout), "SPARK_LOCAL_IP": "127.0.0.1"} | variables
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return time.perf_counter() - begin


def prepare(work: Path, rows: list[int], checkouts: list[Path]) -> None:
    """Write the tables, and for each checkout a warehouse with the model and a pipeline file."""
    from textclf.artifact import ModelStore

    for count in rows:
        write_texts(work / f"texts{count}", count, length=_LENGTH, files=-(-count // _FILE))
    model = make_model()
    for number, _ in enumerate(checkouts):
        store = ModelStore(str(work / f"warehouse{number}/models"))
        store.promote("bench", store.save(model).manifest.version)
        (work / f"{number}.toml").write_text(PIPELINE.format(warehouse=work / f"warehouse{number}"))


def measure(work: Path, rows: list[int], rounds: int, cores: int, checkouts: list[Path]) -> dict[str, list[float]]:
    """Return the seconds of each round by ``copy ROWS`` and ``score NUMBER ROWS``."""
    found: dict[str, list[float]] = defaultdict(list)
    script, master = work / "copied_table.py", f"local[{cores}]"
    script.write_text(_COPY)
    for round_ in range(rounds):
        for count in rows:
            table = str(work / f"texts{count}")
            command = [sys.executable, str(script), master, table, str(work / "copy")]
            found[f"copy {count}"].append(seconds(command, ROOT))
            for number, checkout in enumerate(checkouts):
                day = str(date(2026, 1, 1) + timedelta(days=2 * round_ + rows.index(count)))
                command = [sys.executable, "jobs/score_table.py", "--config", str(work / f"{number}.toml")]
                command += ["--input", table, "--date", day]
                taken = seconds(command, checkout, PYSPARK_SUBMIT_ARGS=f"--master {master} pyspark-shell")
                found[f"score {number} {count}"].append(taken)
        print({name: [round(each, 1) for each in times] for name, times in found.items()}, file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measure and print."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rows", type=int, nargs=2, default=[2_000_000, 12_000_000])
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--cores", type=int, default=2)
    made.add_argument("--checkout", type=Path, nargs="*", default=[])
    args = made.parse_args()
    checkouts = [ROOT, *(path.resolve() for path in args.checkout)]
    work = Path(tempfile.mkdtemp())
    try:
        prepare(work, args.rows, checkouts)
        found = measure(work, args.rows, args.rounds, args.cores, checkouts)
    finally:
        shutil.rmtree(work)
    small, large = args.rows
    for name, times in found.items():
        print(f"{name:20} {statistics.median(times):8.2f} s")
    copied = [more - less for less, more in zip(found[f"copy {small}"], found[f"copy {large}"], strict=True)]
    print(f"{large - small} more rows, copy: {statistics.median(copied):.2f} s")
    for number, checkout in enumerate(checkouts):
        less, more = found[f"score {number} {small}"], found[f"score {number} {large}"]
        cost = [many - few for few, many in zip(less, more, strict=True)]
        ratios = [mine / copy for mine, copy in zip(cost, copied, strict=True)]
        print(f"{large - small} more rows, {checkout.name}: {statistics.median(cost):.2f} s", end=", ")
        print(f"{statistics.median(ratios):.2f} of copy ({', '.join(f'{each:.2f}' for each in ratios)})")
    for number in range(1, len(checkouts)):
        pairs = zip(found[f"score 0 {small}"], found[f"score {number} {small}"], strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        print(f"{small} rows in times of {checkouts[number].name}: {statistics.median(ratios):.3f}", end=" ")
        print(f"({', '.join(f'{each:.3f}' for each in ratios)})")


if __name__ == "__main__":
    main()
