"""Parse spark-submit's own command line and keep every word of it."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textclf.common.spark_settings import default_properties, properties_in
from textclf.errors import UsageError

# Options of spark-submit that take no value; all other options do.
_FLAGS = {"--supervise", "--verbose", "-v", "--load-spark-defaults", "--usage-error"}
_NO_JOB = {"--kill", "--status", "--version"}
# Options that are another name for a Spark setting.
SETTINGS = {
    "--master": "spark.master",
    "--deploy-mode": "spark.submit.deployMode",
    "--jars": "spark.jars",
    "--packages": "spark.jars.packages",
    "--py-files": "spark.submit.pyFiles",
    "--archives": "spark.archives",
    "--files": "spark.files",
    "--driver-memory": "spark.driver.memory",
    "--driver-java-options": "spark.driver.extraJavaOptions",
    "--driver-class-path": "spark.driver.extraClassPath",
    "--name": "spark.app.name",
}


@dataclass
class Submission:
    """A parsed command line.

    Attributes:
        options: spark-submit's options, word for word.
        settings: Values from the options and the properties file, by the names of Spark's settings.
        job: Name of the job; empty if none was given.
        arguments: Everything after the job's name.
    """

    options: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    job: str = ""
    arguments: list[str] = field(default_factory=list)

    @property
    def needs_no_job(self) -> bool:
        """Whether spark-submit is only asked about itself or about a driver on a cluster."""
        return bool(_NO_JOB.intersection(self.options))


def parse(words: Sequence[str], environ: Mapping[str, str]) -> Submission:
    """Parse a command line.

    Raises:
        UsageError: An option lacks its value, or the properties file cannot be read.
    """
    made = Submission()
    properties: str | None = None
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        made.options.append(word)
        name, equals, value = word.partition("=")
        if not equals or not name.startswith("--"):
            name, value = word, ""
            if word not in _FLAGS and word != "--version":
                if not rest:
                    raise UsageError("An option of spark-submit lacks its value.", received=word)
                value = rest.pop(0)
                made.options.append(value)
        if name in ("--conf", "-c"):
            name, _, value = value.partition("=")
        elif name == "--properties-file":
            properties = value
        made.settings[SETTINGS.get(name, name)] = value
    file = default_properties(environ) if properties is None else properties_in(Path(properties))
    made.settings = file | made.settings
    if rest:
        made.job, made.arguments = rest[0], rest[1:]
    return made


def in_one_process(master: str) -> bool:
    """Whether the driver's process is the only executor, too.

    Args:
        master: Value of ``spark.master``.
    """
    return master == "local" or master.startswith("local[")


def given_settings() -> dict[str, str]:
    """Return the settings of ``PYSPARK_SUBMIT_ARGS`` and of Spark's own configuration files, before a JVM starts.

    Raises:
        UsageError: They cannot be read.
    """
    found = parse(shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", "")), os.environ).settings
    return {key: value for key, value in found.items() if key.startswith("spark.")}
