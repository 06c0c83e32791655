"""Small work: each job over 3,000 labelled rows and 100,000 texts, in times of a bare PySpark script (the floor).

    python benchmarks/small.py [--rounds 5] [--cores 2]

The floor reads one of the three labelled files, writes it as a Delta table and stops: ``local[2]``, Delta's jars by
``spark.jars``, as its quick start has it. In each round come the floor; ingest, vocabulary, training of three models,
scoring and report, each a job of its own on a new warehouse; and the whole chain by ``run`` on another new one. Every
one is a whole process, from the start of Python to its end. The models are those of ``conf/sample.toml``, on the sample
corpus. A first round is not timed: it warms the file cache, and its event logs count the Spark jobs.

Printed: median seconds, the least and the most, the median over the rounds of the ratio to the floor of the same round,
the number of Spark jobs, and the peak memory of the JVM.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from textclf.examples.sample_corpus import write_labelled, write_unlabelled  # noqa: E402
from textclf.spark.jars import DELTA_CONF, delta_jars  # noqa: E402

ROWS = 100_000
FLOOR = "floor"
JOBS = {
    "ingest": ("ingest_corpus",),
    "vocabulary": ("build_vocabulary",),
    "train": ("train_model", "--promote"),
    "score": ("score_table",),
    "report": ("report",),
}
_LOOK = 0.25  # seconds between two looks at the JVM's memory
_FLOOR = """
import sys
from pyspark.sql import SparkSession
source, target, *settings = sys.argv[1:]
builder = SparkSession.builder.master(settings.pop(0))
for setting in settings:
    builder = builder.config(*setting.split("=", 1))
spark = builder.getOrCreate()
spark.read.csv(source, sep="\\t").write.format("delta").save(target)
spark.stop()
"""


@dataclass(frozen=True)
class Ran:
    """One process: its seconds, its Spark jobs if they were counted, and the peak memory of its JVM in MiB."""

    seconds: float
    jobs: int
    peak: float


@contextmanager
def jvm_peak(session: int) -> Iterator[list[float]]:
    """Watch the JVMs of a session of processes; the list's only item is the highest peak of one of them in MiB."""
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK):
            peak[0] = max([peak[0], *_java_peaks(session)])

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _java_peaks(session: int) -> Iterator[float]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) != session or (process / "comm").read_text().strip() != "java":
                continue
            found = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        except (OSError, ValueError):  # it has ended
            continue
        yield int(found.get("VmHWM", "0").split()[0]) / 1024


def run(command: Sequence[str], events: Path | None, environ: dict[str, str]) -> Ran:
    """Run a process in a session of its own.

    Args:
        command: Command line.
        events: Folder with the event log that the process writes; None if it writes none.
        environ: Environment variables.

    Raises:
        SystemExit: The process failed.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    with jvm_peak(process.pid) as peak:
        said, _ = process.communicate()
    taken = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.decode()[-4000:]}")
    jobs = 0
    for log in events.glob("*") if events else ():
        jobs += log.read_text(encoding="utf-8").count('"Event":"SparkListenerJobStart"')
        log.unlink()
    return Ran(taken, jobs, peak[0])


def one_round(work: Path, data: Path, cores: int, *, counted: bool) -> dict[str, Ran]:
    """Run the floor, the single jobs and the whole chain, each on new tables."""
    events = Path(tempfile.mkdtemp(dir=work)) if counted else None
    logged = {"spark.eventLog.enabled": "true", "spark.eventLog.rolling.enabled": "false"}
    logged |= {"spark.eventLog.compress": "false", "spark.eventLog.dir": events.as_uri() if events else ""}
    settings = [f"{key}={value}" for key, value in (logged if counted else {}).items()]
    environ = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "TEXTCLF_PYTHON": sys.executable}
    master, spark = f"local[{cores}]", [word for each in settings for word in ("--conf", each)]
    submit = [str(ROOT / "spark-submit.sh"), "--master", master, *spark]
    delta = [f"{key}={value}" for key, value in DELTA_CONF.items()]
    jars = "spark.jars=" + ",".join(map(str, delta_jars()))
    bare = [sys.executable, "-c", _FLOOR, str(data / "labelled/restaurants.tsv"), str(work / "floor"), master]
    found = {FLOOR: run([*bare, jars, *delta, *settings], events, environ)}
    for name in ("jobs", "chain"):
        (work / name).mkdir()
        _write_config(work / name, data)
    for name, (job, *flags) in JOBS.items():
        found[name] = run([*submit, job, "--config", str(work / "jobs/pipeline.toml"), *flags], events, environ)
    found["run"] = run([*submit, "run", "--config", str(work / "chain/pipeline.toml")], events, environ)
    return found


def _write_config(folder: Path, data: Path) -> None:
    text = (ROOT / "conf/sample.toml").read_text(encoding="utf-8")
    text = text.replace('warehouse = "warehouse"', f'warehouse = "{folder / "warehouse"}"')
    text = text.replace('"warehouse/sample/unlabelled"', f'"{data / "unlabelled"}"')
    (folder / "pipeline.toml").write_text(text.replace('"warehouse/sample', f'"{data / "labelled"}'), encoding="utf-8")


def report(rounds: Sequence[dict[str, Ran]], counted: dict[str, Ran]) -> None:
    """Print a row for each process."""
    print("| process | seconds | least to most | x floor | Spark jobs | JVM's peak, MiB |\n|---|---|---|---|---|---|")
    for name in (FLOOR, *JOBS, "run"):
        taken = [each[name].seconds for each in rounds]
        ratio = statistics.median(each[name].seconds / each[FLOOR].seconds for each in rounds)
        peak = max(each[name].peak for each in rounds)
        print(
            f"| {name} | {statistics.median(taken):.1f} | {min(taken):.1f} to {max(taken):.1f} | {ratio:.2f} "
            f"| {counted[name].jobs} | {peak:.0f} |",
            flush=True,
        )


def main() -> int:
    """Measure and print."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--cores", type=int, default=2)
    args = made.parse_args()
    with tempfile.TemporaryDirectory(prefix="textclf-small-") as folder:
        data = Path(folder, "data")
        write_labelled(data / "labelled")
        write_unlabelled(data / "unlabelled", ROWS)
        rounds = []
        for number in range(args.rounds + 1):
            work = Path(folder, "round")
            work.mkdir()
            rounds.append(one_round(work, data, args.cores, counted=number == 0))
            shutil.rmtree(work)
    report(rounds[1:], rounds[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
