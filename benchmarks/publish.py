"""What staging, audit and publish cost beside the scoring pass, in one run.

    python benchmarks/publish.py [--rows 2000000] [--repeats 3] [--cores 2] [--slices 1]

The texts and the model are those of benchmarks/scoring.py. After a warm-up on a tenth of the rows, in turn:

copy      Spark's copy of the table, without Python
pass      the compiled pass as users of add_scores would run it: the input read, scored and written as Parquet
nightly   score_table: read, scored, staged, audited, published, with locks and the record of the run before

Printed: median seconds of both; of ``staged``, which is the pass with its rows written to staging and counted for the
audit; of the audit (summing the counts up and the judgement) and of the publish; each as a share of ``pass``, and in
times of ``copy``; of reading what earlier runs published, which happens while rows are scored. Then staging, as far as
it takes longer than the plain write of ``pass``, together with the publish, and what nightly takes beyond ``pass``.
Then the files of results and rejects that the last night has written, and their bytes.

With ``--slices N`` the input has N days, in order, and a night replaces all of them.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.scoring import columns, make_model, write_texts  # noqa: E402

AUDIT = {"publications": "history", "_pass_gate": "judgement"}
SECONDS: dict[str, list[float]] = defaultdict(list)
FILES: dict[str, int] = {}
"""Files of results and rejects that the last night has left, and their bytes."""


@contextmanager
def timed(name: str) -> Any:
    """Add the seconds of a block to ``SECONDS``."""
    begin = time.perf_counter()
    yield
    SECONDS[name].append(time.perf_counter() - begin)


def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that notes how long each call takes."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with timed(name):
            return function(*args, **kwargs)

    return call


def watched_entry(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A context manager that notes how long each entry takes."""

    @contextmanager
    def call(*args: Any, **kwargs: Any) -> Any:
        with ExitStack() as stack:
            with timed(name):
                value = stack.enter_context(function(*args, **kwargs))
            yield value

    return call


def watch() -> None:
    """Time the parts of score_table from now on."""
    from textclf.scoring import score
    from textclf.scoring.execution import Pass
    from textclf.storage.publish import Targets

    for name, part in AUDIT.items():
        setattr(score, name, watched(part, getattr(score, name)))
    of_pass: Any = Pass
    of_pass.audit = watched("audit", Pass.audit)
    vars_of: Any = Targets
    vars_of.take_over = watched("publish", Targets.take_over)
    module: Any = score
    module.staged = watched_entry("staged", module.staged)


def nightly(spark: Any, pipeline: Any, path: Path, day: date | None) -> None:
    """One run of score_table, with its record kept as the job does."""
    from textclf.runs.record import RunRecord
    from textclf.runs.workspace import Workspace
    from textclf.scoring.score import ScoreOptions, score_table
    from textclf.storage import Warehouse

    warehouse, run = Warehouse.of(pipeline), RunRecord("score_table")
    with timed("nightly"):
        score_table(Workspace(spark, pipeline), run, ScoreOptions(input=str(path), day=day))
    run.end("succeeded")
    run.append(spark, warehouse)


def stored(work: Path) -> Iterator[tuple[int, int]]:
    """Inode and size of each file of the results and rejects, whether a version names it or not."""
    for name in ("results", "results_rejects"):
        for path in (work / "warehouse" / name).rglob("*.parquet"):
            status = path.stat()
            yield status.st_ino, status.st_size


def with_days(spark: Any, path: Path, rows: int, slices: int) -> None:
    """Add a column of days to the texts."""
    from pyspark.sql import functions as F

    plain = path.with_name(f"{path.name}-plain")
    path.rename(plain)
    day = F.date_add(F.lit("2020-01-01").cast("date"), (F.col("id") * slices / rows).cast("int"))
    spark.read.parquet(str(plain)).withColumn("ds", day).write.parquet(str(path))
    shutil.rmtree(plain)


def measure(spark: Any, work: Path, rows: int, repeats: int, slices: int) -> None:
    """Fill ``SECONDS`` with the runs on that many rows; those of the warm-up are dropped."""
    from textclf.artifact import ModelStore
    from textclf.config import parse_pipeline

    store, model = ModelStore(str(work / "warehouse/models")), make_model()
    store.promote("bench", store.save(model).manifest.version)
    pipeline = parse_pipeline(
        f'warehouse = "{work}/warehouse"\n[[sources]]\nname = "bench"\npath = "none"\nformat = "text"\n'
        "pattern = '(?P<label>.) (?P<text>.*)'\n[score]\nmodel = \"bench\"\n" + 'date = "ds"\n' * (slices > 1)
    )
    watch()
    first = date(2026, 1, 1)
    for number, count in enumerate([rows // 10] * 2 + [rows] * repeats):
        path = work / f"texts{count}"
        if not path.exists():
            write_texts(path, count)
            if slices > 1:
                with_days(spark, path, count, slices)
        if number == 2:
            SECONDS.clear()
        with timed("copy"):
            spark.read.parquet(str(path)).write.mode("overwrite").parquet(str(work / "copy"))
        with timed("pass"):
            columns(spark.read.parquet(str(path)), model, work).write.mode("overwrite").parquet(str(work / "out"))
        before = dict(stored(work))
        nightly(spark, pipeline, path, None if slices > 1 else first + timedelta(days=number))
        new = {inode: size for inode, size in stored(work) if inode not in before}
        FILES["files"], FILES["bytes"] = len(new), sum(new.values())


def main() -> None:
    """Measure and print."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rows", type=int, default=2_000_000)
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--cores", type=int, default=2)
    made.add_argument("--slices", type=int, default=1)
    args = made.parse_args()
    from textclf.spark import open_session

    settings = {"spark.master": f"local[{args.cores}]", "spark.ui.showConsoleProgress": "false"}
    spark = open_session("benchmark", settings)
    work = Path(tempfile.mkdtemp())
    try:
        measure(spark, work, args.rows, args.repeats, args.slices)
    finally:
        spark.stop()
        shutil.rmtree(work)
    SECONDS["audit"] = [sum(each) for each in zip(SECONDS["audit"], SECONDS["judgement"], strict=True)]
    medians = {name: statistics.median(times) for name, times in SECONDS.items()}
    print(f"{args.rows} rows, {args.slices} slices, local[{args.cores}], median of {args.repeats}")
    wholes = medians["pass"], medians["copy"]
    for name in ("copy", "pass", "nightly", "staged", "history", "audit", "publish"):
        show(name, medians[name], *wholes)
    # Of one repeat, since both sides of a difference share what the machine did meanwhile.
    pairs = zip(SECONDS["staged"], SECONDS["publish"], SECONDS["pass"], strict=True)
    show(
        "staging and publish",
        statistics.median(staged + publish - plain for staged, publish, plain in pairs),
        *wholes,
    )
    show("beyond", medians["nightly"] - medians["pass"], *wholes)
    print(f"{FILES['files']} files, {FILES['bytes']:,} bytes")


def show(name: str, seconds: float, whole: float, copy: float) -> None:
    """Print one line."""
    print(f"{name:20} {seconds:8.2f} s {seconds / whole:7.1%} of pass {seconds / copy:6.2f} of copy")


if __name__ == "__main__":
    main()
