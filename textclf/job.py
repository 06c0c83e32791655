"""What every job does around its work: command line, pipeline file, session, run record, exit code."""

import argparse
import contextlib
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from textclf.config import Pipeline, Source, config_digest, load_pipeline, masked
from textclf.errors import TextclfError, UsageError
from textclf.session import open_session
from textclf.tables import RunRecord, Warehouse


@dataclass
class Job:
    """What a job's work has at hand."""

    args: argparse.Namespace
    pipeline: Pipeline
    warehouse: Warehouse
    spark: SparkSession
    record: RunRecord

    def sources(self) -> list[Source]:
        """The sources asked for with ``--source``, all of the pipeline file without it.

        Raises:
            UsageError: A source that the pipeline file does not have.
        """
        wanted: list[str] = self.args.source or [source.name for source in self.pipeline.sources]
        return [_source(self.pipeline, name) for name in wanted]


def _source(pipeline: Pipeline, name: str) -> Source:
    source = pipeline.source(name)
    if source is None:
        raise UsageError(
            "The pipeline file has no such source.",
            received=f"--source {name}",
            expected=f"one of: {', '.join(source.name for source in pipeline.sources)}",
        )
    return source


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """A command line with ``--config``, as every job has."""
    made = argparse.ArgumentParser(prog=name, description=about)
    made.add_argument("--config", required=True, metavar="FILE", help="the pipeline file (TOML)")
    return made


def add_source(made: argparse.ArgumentParser) -> None:
    """Add ``--source``, which may be given several times."""
    made.add_argument("--source", action="append", metavar="NAME", help="only this source; may be repeated")


def run(
    name: str,
    made: argparse.ArgumentParser,
    work: Callable[[Job], None],
    argv: Sequence[str] | None = None,
    *,
    keep: bool = True,
) -> int:
    """Run a job's work and return its exit code.

    The last line on standard output is the run record as JSON; all else, Spark's and Keras' words included,
    goes to standard error.

    Args:
        keep: Add the record to ``runs``; jobs that only look at tables leave no trace in them.
    """
    args = made.parse_args(argv)  # exits with 2 and a usage line on a wrong command line
    record = RunRecord(name)
    with contextlib.redirect_stdout(sys.stderr):
        code = _attempt(args, record, work, keep=keep)
    sys.stdout.write(record.to_json() + "\n")
    sys.stdout.flush()
    return code


def _attempt(args: argparse.Namespace, record: RunRecord, work: Callable[[Job], None], *, keep: bool) -> int:
    job: Job | None = None
    try:
        pipeline = load_pipeline(args.config)
        record.config_digest = config_digest(pipeline)
        spark = open_session(f"textclf {record.job}")
        record.spark_app_id = spark.sparkContext.applicationId
        job = Job(args, pipeline, Warehouse.of(pipeline), spark, record)
        work(job)
        record.end("succeeded")
        code = 0
    except TextclfError as error:
        record.end(error.status, error.problem)
        sys.stderr.write(masked(f"{record.job}: {error}\n"))
        code = error.exit_code
    except Exception as error:  # noqa: BLE001 - the job's outermost frame: whatever it was is recorded and reported
        record.end("failed", f"{type(error).__name__}: {error}".partition("\n")[0][:500])
        sys.stderr.write(masked(traceback.format_exc()))
        code = 1
    return _keep(job if keep else None, record, code)


def _keep(job: Job | None, record: RunRecord, code: int) -> int:
    """Add the record to ``runs``; a run whose record cannot be kept has not succeeded."""
    if job is None:
        return code
    try:
        record.append(job.spark, job.warehouse)
    except Exception:  # noqa: BLE001 - the first error, if there was one, must still decide the exit code
        sys.stderr.write(masked(traceback.format_exc()))
        place = masked(str(job.warehouse.location("runs")))
        sys.stderr.write(f"{record.job}: the run record could not be written to {place}\n")
        return code or 1
    return code
