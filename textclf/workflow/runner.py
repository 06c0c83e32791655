"""Run a job: command line, pipeline file, session, run record and exit code, around the work itself."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date

from pyspark.sql import SparkSession

from textclf.common import console, logs
from textclf.config import Pipeline, Source, config_digest, load_pipeline
from textclf.errors import TextclfError, UsageError
from textclf.runs.metrics import Measured, emit
from textclf.runs.outcome import code_when_kept, end_with
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.spark import SHORT_WORK, cancellation, open_session
from textclf.spark.job_names import described
from textclf.spark.launch.facts import launch_facts
from textclf.spark.openlineage import Collector
from textclf.storage import Warehouse
from textclf.storage.delta_log import spare_requests
from textclf.storage.leases.exclusive_writes import check_exclusive_writes
from textclf.workflow.short_work import InputSize, is_short
from textclf.workflow.summary import show_summary
from textclf.workflow.summary.next_command import Called, next_command

Around = Callable[[argparse.Namespace, Pipeline, RunRecord], AbstractContextManager[None]]
"""A context that a job enters around its session and its work."""


@dataclass
class Job:
    """The arguments and resources of a job's work.

    Attributes:
        args: Parsed command line.
        workspace: Session, pipeline file, tables and models.
        record: Run record.
        held: Closed once the run is recorded. It holds locks, so that a run killed before that is recorded by the
            next one.
    """

    args: argparse.Namespace
    workspace: Workspace
    record: RunRecord
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def spark(self) -> SparkSession:
        """Spark session."""
        return self.workspace.spark

    @property
    def warehouse(self) -> Warehouse:
        """Tables."""
        return self.workspace.warehouse

    @property
    def pipeline(self) -> Pipeline:
        """Pipeline file."""
        return self.workspace.pipeline

    def sources(self) -> list[Source]:
        """Return the sources given with ``--source``, each once; by default all of the pipeline file.

        Raises:
            UsageError: The pipeline file does not have a source of that name.
        """
        return asked_sources(self.args, self.pipeline)


def asked_sources(args: argparse.Namespace, pipeline: Pipeline) -> list[Source]:
    """Return the sources of a command line as ``Job.sources`` does, before there is a job."""
    wanted: list[str] = args.source or [source.name for source in pipeline.sources]
    return [_source(pipeline, name) for name in dict.fromkeys(wanted)]


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
    """Return a parser with ``--config`` and ``--json``, which every job has."""
    made = argparse.ArgumentParser(prog=name, description=about)
    made.add_argument("--config", required=True, metavar="FILE", help="the pipeline file (TOML)")
    made.add_argument("--json", action="store_true", help="print the run record as JSON even at a terminal")
    return made


def add_source(made: argparse.ArgumentParser) -> None:
    """Add ``--source``, which may be given several times."""
    made.add_argument("--source", action="append", metavar="NAME", help="only this source; may be repeated")


def day(text: str) -> date:
    """Parse a day of the command line; for use as an argument's type."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, received {text!r}") from None


def add_range(made: argparse.ArgumentParser) -> None:
    """Add ``--from DAY --to DAY``."""
    made.add_argument("--from", dest="first", type=day, metavar="YYYY-MM-DD", help="first day of a range")
    made.add_argument("--to", dest="last", type=day, metavar="YYYY-MM-DD", help="last day of the range")


def range_mistake(args: argparse.Namespace) -> str | None:
    """Say what is expected of ``--from`` and ``--to`` if they are not a valid range; None if they are or are absent."""
    if (args.first is None) != (args.last is None):
        return "--from and --to together"
    return "--from no later than --to" if args.first and args.first > args.last else None


def run(
    name: str,
    made: argparse.ArgumentParser,
    work: Callable[[Job], None],
    argv: Sequence[str] | None = None,
    *,
    kept: Callable[[argparse.Namespace], bool] = lambda args: True,  # noqa: ARG005 - the usual job
    around: Around = lambda args, pipeline, record: nullcontext(),  # noqa: ARG005
    spark: Mapping[str, str] | None = None,
    input_size: InputSize = lambda args, pipeline: None,  # noqa: ARG005
) -> int:
    """Run a job's work and return its exit code.

    The last line on standard output is the run record as JSON. If standard output is a terminal, a summary for people
    takes its place, except with ``--json`` and with log lines in JSON. Everything else, including the output of Spark
    and Keras, goes to standard error. SIGTERM ends the work cleanly; then the exit code is 1 and the record says
    ``stopped``.

    Args:
        name: Name of the job.
        made: Parser of the job's command line.
        work: The work itself.
        argv: Command line; by default that of the process.
        kept: Whether the record is added to ``runs`` and exported as metrics; jobs that only read tables leave no
            trace.
        around: Context that is entered before Spark starts and sees the errors of session and work.
        spark: Default Spark settings of the job.
        input_size: Size of the job's input; if it is small, the JVM gets the options for short work.
    """
    args = made.parse_args(argv)  # exits with 2 and a usage line if the command line is invalid
    record = RunRecord(name)
    logs.use_format(None)
    logs.identify(name, record.run_id)
    console.for_programs(chosen=args.json)
    console.expect_summary(sys.stdout)

    def settings(pipeline: Pipeline) -> Mapping[str, str]:
        with contextlib.suppress(TextclfError, OSError):  # the work says what is wrong
            return {**(spark or {}), **(SHORT_WORK if is_short(input_size(args, pipeline)) else {})}
        return spark or {}

    with cancellation.stoppable():
        with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as named:
            code, pipeline = _attempt(args, record, work, named, around, kept=kept(args), settings=settings)
        if console.summarized():
            words = sys.argv[1:] if argv is None else argv
            called = Called.now(args.config, words, getattr(args, "source", None) or ())
            show_summary(record, next_command(record, pipeline, called))
        else:
            sys.stdout.write(record.to_json(sys.stdout) + "\n")
        sys.stdout.flush()
    return code


def _collector(pipeline: Pipeline) -> Collector | None:
    asked = pipeline.lineage
    return None if asked is None else Collector(asked.url, asked.namespace)


def _attempt(
    args: argparse.Namespace,
    record: RunRecord,
    work: Callable[[Job], None],
    named: contextlib.ExitStack,
    around: Around,
    *,
    kept: bool,
    settings: Callable[[Pipeline], Mapping[str, str]],
) -> tuple[int, Pipeline | None]:
    job: Job | None = None
    pipeline: Pipeline | None = None
    code = 0
    try:
        pipeline = load_pipeline(args.config)
        logs.use_format(pipeline.logs.format)
        record.config_digest = config_digest(pipeline)
        with around(args, pipeline, record):
            with console.step("start Spark"):
                spark = open_session(f"textclf {record.job}", settings(pipeline), lineage=_collector(pipeline))
                cancellation.listen()  # PySpark installs its own handler for Ctrl-C
                record.spark_app_id = spark.sparkContext.applicationId
                record.launch = launch_facts(spark)
                workspace = Workspace(spark, pipeline)
                if kept:
                    folder = workspace.warehouse.folder(spark)
                    check_exclusive_writes(spark, folder)
                    spare_requests(spark, folder)
            job = Job(args, workspace, record)
            named.enter_context(described(spark))  # stays open while the record is written
            cancellation.check()
            work(job)
        record.end("succeeded")
    # The job's outermost frame: every error is recorded and reported, including a second Ctrl-C.
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        code = end_with(record, error).code
    if job is not None:
        with job.held, console.step("record", kept=False):
            code = code_when_kept(job.spark, job.warehouse, record, code) if kept else code
        if kept:
            emit(job.pipeline.metrics, Measured.of(record, code))
    return code, pipeline
