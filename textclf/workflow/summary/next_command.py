"""The command that comes after a run, written so that it can be copied from the terminal and works."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from textclf.common.secrets import masked
from textclf.common.terminal import visible
from textclf.config import Pipeline
from textclf.runs.record import RunRecord
from textclf.spark.launch.submit import SUBMITTED_AS

QUERY = "SELECT source, label, count(*) AS texts FROM results GROUP BY ALL ORDER BY ALL"
_DRY_RUN = "--dry-run"
_AGAIN = ("stopped", "locked", "killed")
"""States after which the same command goes on where the run stopped."""


@dataclass(frozen=True)
class Called:
    """How a job was called.

    Attributes:
        config: Path of the pipeline file, as given.
        argv: The job's arguments, word for word.
        sources: Names given with ``--source``.
        submitted: The submit wrapper and spark-submit's options, as a shell reads them; None if the job was started in
            another way.
    """

    config: str
    argv: Sequence[str]
    sources: Sequence[str] = ()
    submitted: str | None = None

    @classmethod
    def now(cls, config: str, argv: Sequence[str], sources: Sequence[str]) -> "Called":
        """Return how this process was called."""
        return cls(config, list(argv), list(sources), os.environ.get(SUBMITTED_AS))


def next_command(record: RunRecord, pipeline: Pipeline | None, called: Called) -> str | None:
    """Return the command that comes after a run, as one line of a shell.

    Args:
        record: Run record.
        pipeline: Pipeline file; None if it could not be read.
        called: How the run was called.

    Returns:
        Command; None if none follows, if what follows is a person's decision, or if the command would show a secret.
    """
    if pipeline is None:
        return None
    if record.status in _AGAIN:
        words = _job(called, record.job, called.argv)
    elif record.status == "refused" and record.job == "score_table":
        words = _job(called, "show_run", ["--config", called.config, record.run_id])
    elif record.status == "succeeded":
        words = _after(record, pipeline, called)
    else:
        words = None
    # Characters that a terminal acts on would be shown as escapes, which a shell does not read back.
    return words if words is not None and masked(words) == words == visible(words) else None


def _after(record: RunRecord, pipeline: Pipeline, called: Called) -> str | None:
    given = ["--config", called.config]
    sources = [word for name in called.sources for word in ("--source", name)]
    if record.job == "ingest_corpus":
        return _job(called, "build_vocabulary", [*given, *sources])
    if record.job == "build_vocabulary":
        build = "search_models" if pipeline.builds_by == "search" else "train_model"
        return _job(called, build, [*given, *sources])
    if record.job in ("train_model", "search_models"):
        return _job(called, "score_table", given) if pipeline.score.input else None
    if record.job == "score_table":
        return None if "days" in record.details else _job(called, "report", [*given, "--run", record.run_id])
    if record.job in ("nightly", "run") and (ours := _without_dry_run(called.argv)) != list(called.argv):
        return _job(called, record.job, ours)
    if record.job in ("report", "nightly") or (record.job == "run" and "score" in record.details.get("asked", ())):
        return _query(pipeline, called)
    return None


def _without_dry_run(argv: Sequence[str]) -> list[str]:
    """Leave out ``--dry-run``, which parsers take in any unambiguous shorter form, too."""
    return [word for word in argv if len(word) < len("--d") or not _DRY_RUN.startswith(word)]


def _job(called: Called, job: str, arguments: Sequence[str]) -> str | None:
    return None if called.submitted is None else f"{called.submitted} {shlex.join([job, *arguments])}"


def _query(pipeline: Pipeline, called: Called) -> str | None:
    if pipeline.schema_name is not None or not (find_spec("deltalake") and find_spec("duckdb")):
        return None
    return f"{_textclf()} query {shlex.quote(QUERY)} --config {shlex.quote(called.config)}"


def _textclf() -> str:
    """The command ``textclf`` of this environment, by a name that works here."""
    beside = Path(sys.executable).with_name("textclf")
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m textclf"
    on_path = shutil.which("textclf")
    if on_path is not None and Path(on_path).samefile(beside):
        return "textclf"
    inside = beside.is_relative_to(Path.cwd())
    return shlex.quote(str(beside.relative_to(Path.cwd()) if inside else beside))
