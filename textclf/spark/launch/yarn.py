"""YARN's cluster mode: the driver gets the pipeline file, and the job's exit code comes back."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from textclf.common.file_systems import is_url
from textclf.common.plain_paths import plain_folder
from textclf.config import Pipeline, load_pipeline
from textclf.errors import ConfigError
from textclf.spark.launch.environment_choice import JobFlags, drivers_environ

PIPELINE_FILE = "pipeline.toml"
"""Name of the pipeline file in the driver's folder."""
_APPLICATION = re.compile(rb"\b(application_\d+_\d+)\b")
# The words of Spark's application master for a Python program, and those of YARN for the master's process.
_JOBS_CODE = re.compile(rb"User application exited with status (\d{1,3})\b")
_MASTERS_CODE = re.compile(rb"\bexitCode: (\d{1,3})\b")
_OWN_CODES = range(2, 6)
"""Codes that only a job's own errors have; the application master ends with 1 or with codes from 10 on itself."""


def for_driver_there(arguments: Sequence[str], settings: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the arguments of a job whose driver runs in a container, and the files that it needs there.

    Args:
        arguments: Arguments of the job, with ``--config FILE``.
        settings: Spark's settings of the job.

    Returns:
        The arguments with the file's name in the container, and the file for ``--files``; without ``--config`` the
        arguments alone.

    Raises:
        ConfigError: The pipeline file has mistakes, or names paths that do not exist in a container.
    """
    config = JobFlags.of(arguments).config
    if config is None:
        return list(arguments), []
    check_paths(load_pipeline(config, drivers_environ(settings)), arguments, config)
    made, rest = [], list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        if len(name) > 2 and "--config".startswith(name):
            made += ["--config", PIPELINE_FILE]
            rest = rest if equals else rest[1:]
        else:
            made.append(word)
    # A link if Spark's options cannot take the name.
    return made, [f"{plain_folder(Path(config).absolute()).as_uri()}#{PIPELINE_FILE}"]


def check_paths(pipeline: Pipeline, arguments: Sequence[str], config: str) -> None:
    """Refuse paths that are relative to the current folder, which a driver in a container does not have.

    Raises:
        ConfigError: There are such paths; the message lists all of them.
    """
    relative = [f"{key} = {value}" for key, value in _paths(pipeline, arguments) if not _stays(value)]
    if relative:
        raise ConfigError(
            "The driver runs on the cluster, in an empty folder of its own, and there these paths lead nowhere.",
            received=f"{config}: {'; '.join(relative)}",
            expected="URLs such as hdfs:///warehouse or s3a://bucket/warehouse, or absolute paths, which are in the "
            "cluster's default file system",
            fix="change the paths, or run the driver on this machine: --deploy-mode client",
        )


def _stays(value: str) -> bool:
    return is_url(value) or os.path.isabs(value)


def _paths(pipeline: Pipeline, arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    found = {
        "warehouse": pipeline.warehouse,
        "models": pipeline.models,
        **{f"sources.{source.name}.path": source.path for source in pipeline.sources},
        "train.logs": pipeline.train.logs,
        "nightly.status": pipeline.nightly.status,
        "metrics.file": pipeline.metrics.file,
    }
    yield from ((key, value) for key, value in found.items() if value is not None)
    if pipeline.score.input is not None and not _is_name(pipeline.score.input):
        yield "score.input", pipeline.score.input
    flags = JobFlags.of(arguments)
    if flags.input is not None and not _is_name(flags.input):
        yield "--input", flags.input
    yield from ((f"--{flag}", value) for flag, value in (("output", flags.output), ("figures", flags.figures)) if value)


def _is_name(value: str) -> bool:
    """Whether a table may be meant by its name in the catalog."""
    return "/" not in value and not Path(value).exists()


def run_there(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run spark-submit for a driver on YARN and return the job's exit code, as far as YARN tells it.

    spark-submit itself ends with 1 however the job failed. Its standard error passes through. A request to stop ends
    spark-submit, but not the application.

    Args:
        words: Command of spark-submit.
        environ: Its environment.
    """
    process = subprocess.Popen(words, env=dict(environ), stderr=subprocess.PIPE)

    def forward(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    said = _Said()
    try:
        for line in process.stderr or ():
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            said.read(line)
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    code = said.code(code)
    if code != 0 and said.application:
        sys.stderr.write(
            f"spark-submit.sh: {said.application} has ended with exit code {code}; what the job said: "
            f"yarn logs -applicationId {said.application} -am 1\n"
        )
    return code


class _Said:
    """What spark-submit says about an application."""

    def __init__(self) -> None:
        self.application = ""
        self._codes: dict[bool, int] = {}

    def read(self, line: bytes) -> None:
        if found := _APPLICATION.search(line):
            self.application = found[1].decode()
        if found := _JOBS_CODE.search(line):
            self._codes[True] = int(found[1])
        elif (found := _MASTERS_CODE.search(line)) and int(found[1]) in _OWN_CODES:
            self._codes[False] = int(found[1])

    def code(self, submits: int) -> int:
        """Return the job's code; that of spark-submit if YARN has not told any."""
        if submits == 0:
            return 0
        if submits < 0:  # ended by a signal, as a shell says it
            return 128 - submits
        told = self._codes.get(True, self._codes.get(False, submits))
        return told if 0 < told < 256 else submits
