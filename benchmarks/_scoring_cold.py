"""The first batch of a fresh executor beside later ones; ``benchmarks/scoring.py --cold`` prints it.

Each start has a driver and executors of its own (``local-cluster``), whose cache of compiled code is empty. All read
the same rows, score them with the model of ``benchmarks/scoring.py`` and drop them.

ids        the ids to Python and back, no textclf: what starting Python workers costs anybody
shipped    the driver has compiled code from earlier runs and sends it along: what every run but the first does
compiling  the driver's cache is empty as well: the first run after an installation
alone      nothing is sent: every worker compiles for itself
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STARTS = ("ids", "compiling", "shipped", "alone")  # in this order the second fills the driver's cache for the third
_WARM = 5


def measure(start: str, texts: Path, cores: int, caches: Path) -> dict[str, Any]:
    """Seconds of planning on the driver, of the first job, and the median of later ones: the child's side."""
    from benchmarks.scoring import columns, ids, make_model
    from textclf.scoring.worker import models as worker_models
    from textclf.spark import open_session

    if start == "alone":
        worker_models.kept_code = lambda *_modules: {}  # type: ignore[attr-defined]
    settings = {
        "spark.master": f"local-cluster[1,{cores},1024]",
        "spark.executor.memory": "1g",
        "spark.executorEnv.NUMBA_CACHE_DIR": str(caches / f"executor-{start}"),
        "spark.ui.showConsoleProgress": "false",
    }
    spark = open_session("cold", settings)
    table, model = spark.read.parquet(str(texts)), make_model()
    table.count()  # executors are there and have read the table
    begin = time.perf_counter()
    rows = ids(table, model, texts) if start == "ids" else columns(table, model, texts)
    planned, taken = time.perf_counter() - begin, []
    for _ in range(1 + _WARM):
        begin = time.perf_counter()
        rows.write.format("noop").mode("overwrite").save()
        taken.append(time.perf_counter() - begin)
    return {"planned": planned, "first": taken[0], "warm": statistics.median(taken[1:])}


def show(texts: Path, cores: int, caches: Path) -> None:
    """Run every start in a process of its own and print the table."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environ = os.environ | {"PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(caches / "driver")}
    print(f"{'start':<12}{'driver':>10}{'first':>10}{'warm':>10}{'first - warm':>15}")
    for start in STARTS:
        command = [sys.executable, __file__, start, str(texts), str(cores), str(caches)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{start} failed:\n{done.stderr[-4000:]}")
        found = json.loads(done.stdout.strip().rpartition("\n")[2])
        late = found["first"] - found["warm"]
        print(f"{start:<12}{found['planned']:>8.2f} s{found['first']:>8.2f} s{found['warm']:>8.2f} s{late:>13.2f} s")


if __name__ == "__main__":
    _, asked, folder, count, scratch = sys.argv
    sys.stdout.write(json.dumps(measure(asked, Path(folder), int(count), Path(scratch))) + "\n")
