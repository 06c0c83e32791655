"""The Spark jobs of a run, counted; ``python -m tests.spark_jobs`` prints those of the chain, and where each is from."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

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
[split]
test_size = 0.25
seed = 1000
[search]
architecture = "cnn"
[text]
num_words = 500
max_length = 20
[score]
input = "{data}/unlabelled"
source = "source"
date = "ds"
"""


@dataclass(frozen=True)
class SparkJob:
    """One Spark job.

    Attributes:
        number: Number of the job in its application.
        about: Its description.
        site: Where Spark was called.
        tasks: Number of its tasks.
    """

    number: int
    about: str
    site: str
    tasks: int
    stack: str = ""


def jobs_of(spark: SparkSession, work: Callable[[], object]) -> list[SparkJob]:
    """Return the Spark jobs of some work, those of Delta and of all threads included, in order."""
    context: Any = spark.sparkContext._jsc.sc()
    before = context.dagScheduler().numTotalJobs()
    work()
    context.listenerBus().waitUntilEmpty()
    found = []
    for job in listed(context.statusStore().jobsList(None)):
        if job.jobId() >= before:
            about = job.description()
            said = about.get() if about.isDefined() else ""
            stack = "\n".join(_stack(context, stage) for stage in listed(job.stageIds()))
            found.append(SparkJob(job.jobId(), said, job.name(), job.numTasks(), stack))
    assert len(found) == context.dagScheduler().numTotalJobs() - before, "Spark keeps a limited number of jobs"
    return sorted(found, key=lambda each: each.number)


def _stack(context: Any, stage: int) -> str:
    return str(context.statusStore().lastStageAttempt(stage).details())


def write_chain(folder: Path, warehouse: str, more: str = "", rows: int = 3000) -> Path:
    """Write the sample corpus, and a pipeline file of its three sources and ``more``; return the file's path."""
    data = folder / "data"
    write_labelled(data)
    write_unlabelled(data / "unlabelled", rows)
    config = folder / "pipeline.toml"
    config.write_text(_CONFIG.format(warehouse=warehouse, sources=sample_sources(data) + more, data=data))
    return config


def job_of_the_chain(spark: SparkSession, job: str, config: Path, *flags: str) -> list[SparkJob]:
    """Run a job as a process of its own would, with nothing known of any table; return its Spark jobs."""
    jvm: Any = spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()

    def work() -> None:
        code = import_module(f"jobs.{job}").main(["--config", str(config), *CHAIN[job], *flags])
        assert code == 0, f"{job} ended with {code}"

    return jobs_of(spark, work)


@contextmanager
def counted_s3(folder: Path) -> Iterator[S3Proxy]:
    """Start an S3 server; yield what counts the requests that reach it."""
    with s3_server(free_port()) as endpoint, s3_proxy(endpoint) as proxy:
        yield proxy


def main(argv: Sequence[str] | None = None) -> int:
    """Print the Spark jobs of each job of the chain: on empty tables, and again on those that it has left."""
    made = argparse.ArgumentParser(prog="python -m tests.spark_jobs", description=__doc__)
    made.add_argument("--job", action="append", choices=CHAIN, help="print only this job's; may be repeated")
    made.add_argument("--more", default="", metavar="TOML", help="further sources; {data} is the folder of the sample")
    made.add_argument("--rounds", type=int, default=2, metavar="N", help="times that the chain runs (default: 2)")
    made.add_argument("--stacks", action="store_true", help="print where in Delta each Spark job began")
    made.add_argument("--s3", action="store_true", help="keep the tables on an S3 server, and print the requests")
    args = made.parse_args(argv)
    settings = {"spark.master": "local[2]", "spark.ui.showConsoleProgress": "false", "spark.callstack.depth": "200"}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder, proxy = Path(scratch), None
        if args.s3:
            proxy = stack.enter_context(counted_s3(folder))
            settings |= s3a_settings(proxy.endpoint) | {"spark.jars": ",".join(map(str, cluster_jars(S3)))}
        spark = open_session("spark jobs", settings)
        warehouse = f"s3a://{BUCKET}/warehouse" if args.s3 else f"{folder}/warehouse"
        config = write_chain(folder, warehouse, args.more.replace("{data}", f"{folder}/data"))
        for turn in range(args.rounds):
            for job in CHAIN:
                if proxy is not None:
                    proxy.counts.clear()
                found = job_of_the_chain(spark, job, config)
                asked = "" if proxy is None else f", {proxy.counts.total()} requests {dict(proxy.counts)}"
                sys.stderr.write(f"{job}, round {turn + 1}: {len(found)} Spark jobs{asked}\n")
                for each in found if not args.job or job in args.job else ():
                    sys.stderr.write(f"  {each.number:4d} {each.tasks:3d} tasks  {each.site}  | {each.about[:110]}\n")
                    for line in each.stack.splitlines() if args.stacks else ():
                        if ".delta." in line or "textclf" in line:
                            sys.stderr.write(f"         {line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
