"""Count the Spark jobs of a run; ``python -m tests.spark_jobs`` prints those of the chain, and where each began."""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from tests.class_archive import java_options
from tests.cluster_jars import S3, cluster_jars
from tests.factories.corpora import sample_sources
from tests.factories.s3 import BUCKET, s3_server, s3a_settings
from tests.factories.s3_proxy import S3Proxy, s3_proxy
from tests.processes import free_port
from textclf.examples.sample_corpus import write_labelled, write_unlabelled
from textclf.spark import open_session
from textclf.storage.delta_log import listed

CHAIN = {
    "ingest_corpus": (),
    "build_vocabulary": (),
    "train_model": ("--set", "epochs=1", "--set", "num_filters=8", "--set", "embedding_dim=8"),
    "score_table": (),
}
"""The jobs of the chain with their flags, in order."""
_CONFIG = """
warehouse = "{warehouse}"
{sources}
[ingest]
max_rejects = 0.5
[text]
num_words = 500
max_length = 20
[search]
architecture = "cnn"
[score]
input = "{data}/unlabelled"
source = "source"
date = "ds"
[lock]
lease = 3600.0
"""
_SESSION = {"spark.master": "local[2]", "spark.ui.showConsoleProgress": "false", "spark.callstack.depth": "200"}
_INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}


@dataclass(frozen=True)
class SparkJob:
    """One Spark job.

    Attributes:
        number: Number of the job in its application.
        about: Its description.
        site: Where Spark was called.
        tasks: Number of its tasks; 0 for a job that Spark ends as it begins.
        stack: Where its stages were made, a line each frame.
    """

    number: int
    about: str
    site: str
    tasks: int
    stack: str = ""


def jobs_of(spark: SparkSession, work: Callable[[], object]) -> list[SparkJob]:
    """Return the Spark jobs of some work in order, those of Delta and of all threads included."""
    context: Any = spark.sparkContext._jsc.sc()
    before = context.dagScheduler().numTotalJobs()
    work()
    context.listenerBus().waitUntilEmpty()
    found = []
    for job in listed(context.statusStore().jobsList(None)):
        if job.jobId() >= before:
            said = job.description().get() if job.description().isDefined() else ""
            stack = "\n".join(_place_of(context, stage) for stage in listed(job.stageIds()))
            found.append(SparkJob(job.jobId(), said, job.name(), job.numTasks(), stack))
    assert len(found) == context.dagScheduler().numTotalJobs() - before, "Spark keeps a limited number of jobs"
    return sorted(found, key=lambda each: each.number)


def _place_of(context: Any, stage: int) -> str:
    """Return where a stage was made; empty if Spark has forgotten it, first of all those that it skipped."""
    try:
        return str(context.statusStore().lastStageAttempt(stage).details())
    except Py4JJavaError as error:
        if error.java_exception.getClass().getSimpleName() != "NoSuchElementException":
            raise
        return ""


def write_chain(folder: Path, warehouse: str, more: str = "") -> Path:
    """Write the sample corpus and a table of its texts, with texts of a fourth source; return the pipeline file's path.

    Args:
        folder: Folder of the files.
        warehouse: Path or URL of the warehouse.
        more: TOML of further sources; ``{data}`` stands for the folder of the sample.
    """
    data = folder / "data"
    write_labelled(data)
    write_unlabelled(data / "more", 300, names={"restaurants": "more"})
    write_unlabelled(data / "unlabelled", 3000)
    (data / "more" / "part-00000.parquet").rename(data / "unlabelled" / "part-00001.parquet")
    config = folder / "pipeline.toml"
    sources = sample_sources(data) + more.replace("{data}", str(data))
    config.write_text(_CONFIG.format(warehouse=warehouse, sources=sources, data=data), encoding="utf-8")
    return config


def jobs_of_the_chain(spark: SparkSession, job: str, config: Path, *flags: str) -> list[SparkJob]:
    """Run a job as a process of its own would, which knows no table yet; return its Spark jobs."""
    jvm: Any = spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()

    def work() -> None:
        code = import_module(f"jobs.{job}").main(["--config", str(config), *CHAIN[job], *flags])
        assert code == 0, f"{job} ended with {code}"

    return jobs_of(spark, work)


@contextmanager
def counted_s3() -> Iterator[S3Proxy]:
    """Start an S3 server; yield what counts the requests that reach it."""
    with s3_server(free_port()) as endpoint, s3_proxy(endpoint) as proxy:
        yield proxy


def _show(jobs: Sequence[SparkJob], *, stacks: bool) -> None:
    for job in jobs:
        sys.stderr.write(f"  {job.number:4d} {job.tasks:3d} tasks  {job.site}  | {job.about[:110]}\n")
        for frame in job.stack.splitlines() if stacks else ():
            if ".delta." in frame or "textclf" in frame:
                sys.stderr.write(f"         {frame}\n")


def _compiled(spark: SparkSession) -> int:
    """Return the number of classes that Spark has made and compiled for queries, each some tens of milliseconds."""
    jvm: Any = spark._jvm
    return int(jvm.org.apache.spark.metrics.source.CodegenMetrics.METRIC_COMPILATION_TIME().getCount())


def main(argv: Sequence[str] | None = None) -> int:
    """Print the Spark jobs of each job of the chain: on empty tables, and again on those that it has left."""
    made = argparse.ArgumentParser(prog="python -m tests.spark_jobs", description=__doc__)
    made.add_argument("--job", action="append", choices=CHAIN, help="show the Spark jobs of this job only")
    made.add_argument("--more", default="", metavar="TOML", help="further sources; {data} is the folder of the sample")
    made.add_argument("--rounds", type=int, default=2, metavar="N", help="times that the chain runs (default: 2)")
    made.add_argument("--stacks", action="store_true", help="show where each Spark job began in Delta and in textclf")
    made.add_argument("--codegen", action="store_true", help="let Spark compile queries, and count the classes")
    made.add_argument("--s3", action="store_true", help="keep the tables on an S3 server, and count requests")
    args = made.parse_args(argv)
    os.environ.setdefault("JDK_JAVA_OPTIONS", java_options())
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        proxy = stack.enter_context(counted_s3()) if args.s3 else None
        settings = s3a_settings(proxy.endpoint) | {"spark.jars": ",".join(map(str, cluster_jars(S3)))} if proxy else {}
        spark = open_session("spark jobs", _SESSION | ({} if args.codegen else _INTERPRETED) | settings)
        warehouse = f"s3a://{BUCKET}/warehouse" if proxy else f"{scratch}/warehouse"
        config, counts = write_chain(Path(scratch), warehouse, args.more), []
        for turn, job in ((turn, job) for turn in range(args.rounds) for job in CHAIN):
            asked, before = proxy.counts.copy() if proxy else Counter[str](), _compiled(spark)
            found = jobs_of_the_chain(spark, job, config)
            asked = (proxy.counts if proxy else asked) - asked
            counted = {"job": job, "round": turn, "jobs": len(found), "compiled": _compiled(spark) - before}
            counts.append(counted | ({"requests": asked.total(), **asked} if proxy else {}))
            sys.stderr.write(f"{counts[-1]}\n")
            _show(found if not args.job or job in args.job else (), stacks=args.stacks)
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
