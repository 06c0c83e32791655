"""What ``./spark-submit.sh`` does: complete a command line for spark-submit, then become it.

    spark-submit.sh [spark-submit's own options] JOB --config FILE [flags]

The options stay as they were given. Added are only the things that the job cannot run without and that were
not given: master, project, Delta's jars, and for a cluster the Python environment.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textclf.errors import TextclfError, UsageError
from textclf.session.jars import DELTA_COORDINATES, delta_jars, spark_home
from textclf.session.java import ensure_java
from textclf.session.pack import ENVIRONMENT, environment_archive, pack_environment, project_zip

USAGE = """\
Usage: ./spark-submit.sh [spark-submit's own options] JOB --config FILE [flags]

Jobs: {jobs}

  ./spark-submit.sh ingest_corpus --config conf/sample.toml
  ./spark-submit.sh --master spark://host:7077 --executor-memory 8g score_table --config conf/sample.toml
  ./spark-submit.sh train_model --help

Without --master it is local[*]. A job's exit codes: 0 done; 2 wrong command line or pipeline file;
3 unusable input; 4 the gate refused to publish; 5 another run holds the lock; 1 anything else.

TEXTCLF_PYTHON=/path/to/python    another Python than .venv's
TEXTCLF_PRINT_COMMAND=1           print the final command and run nothing
"""
# Options of spark-submit that take no value; every other one does.
_FLAGS = {"--supervise", "--verbose", "-v", "--load-spark-defaults", "--usage-error"}
_NO_JOB = {"--kill", "--status", "--version"}
# Options that are a Spark setting under another name.
_SETTINGS = {
    "--master": "spark.master",
    "--deploy-mode": "spark.submit.deployMode",
    "--jars": "spark.jars",
    "--packages": "spark.jars.packages",
    "--py-files": "spark.submit.pyFiles",
    "--archives": "spark.archives",
    "--driver-memory": "spark.driver.memory",
}


@dataclass
class Submission:
    """A command line taken apart.

    Attributes:
        options: spark-submit's options, word for word.
        settings: What they and the properties file set, by the names of Spark's settings.
        job: Name of the job; empty where none was given.
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


def parse(words: Sequence[str], environ: dict[str, str]) -> Submission:
    """Take a command line apart.

    Raises:
        UsageError: An option without its value, or a properties file that cannot be read.
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
        made.settings[_SETTINGS.get(name, name)] = value
    made.settings = _properties(properties, environ) | made.settings
    if rest:
        made.job, made.arguments = rest[0], rest[1:]
    return made


def _properties(given: str | None, environ: dict[str, str]) -> dict[str, str]:
    """Settings of the properties file that spark-submit will read: the one given, else spark-defaults.conf."""
    folder = environ.get("SPARK_CONF_DIR") or str(spark_home() / "conf")
    path = Path(given) if given is not None else Path(folder, "spark-defaults.conf")
    if given is None and not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError("The properties file cannot be read.", received=error) from error
    pairs = (line.replace("=", " ", 1).split(None, 1) for line in map(str.strip, lines) if line and line[0] not in "#!")
    return {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}


def jobs(root: Path) -> list[str]:
    """Names of the project's jobs."""
    return sorted(path.stem for path in (root / "jobs").glob("[a-z]*.py"))


def complete(submission: Submission, root: Path, environ: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The final command and its environment.

    Args:
        submission: The command line as it was given.
        root: The project's folder.
        environ: The environment of the caller.

    Raises:
        UsageError: No such job.
        JavaError: No Java that Spark can run on.
    """
    if submission.job not in jobs(root):
        raise UsageError("There is no such job.", received=submission.job, expected=f"one of: {', '.join(jobs(root))}")
    settings = submission.settings
    master = settings.get("spark.master") or environ.get("MASTER") or ""
    added, variables = [], {"SPARK_HOME": str(spark_home()), "JAVA_HOME": str(ensure_java())}
    if not master:
        master = "local[*]"
        added += ["--master", master]
    added += _extended(settings, "--py-files", project_zip(root).as_uri())
    added += _delta(settings)
    if master.startswith("local"):
        variables |= _unless_set(environ, {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable})
        if "spark.driver.memory" not in settings:
            variables |= _unless_set(environ, {"SPARK_DRIVER_MEMORY": "2g"})
    elif not _has_python(settings, environ):
        added += _environment(settings, root)
    if settings.get("spark.submit.deployMode", "client") == "client":
        variables |= _unless_set(environ, {"PYSPARK_DRIVER_PYTHON": sys.executable})
        # Through the environment: the driver's own Java options stay the user's.
        variables |= _unless_set(environ, {"LOG4J_CONFIGURATION_FILE": (root / "conf" / "log4j2.properties").as_uri()})
    command = [str(spark_home() / "bin" / "spark-submit"), *submission.options, *added]
    return [*command, str(root / "jobs" / f"{submission.job}.py"), *submission.arguments], variables


def _unless_set(environ: dict[str, str], values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if not environ.get(name)}


def _extended(settings: dict[str, str], option: str, *more: str) -> list[str]:
    """A list option with what was given for it and ``more``: spark-submit takes the last one alone."""
    given = settings.get(_SETTINGS[option], "")
    return [option, ",".join(filter(None, [given, *more]))]


def _delta(settings: dict[str, str]) -> list[str]:
    given = settings.get("spark.jars", "") + settings.get("spark.jars.packages", "")
    if "delta-spark" in given or any(spark_home().glob("jars/delta-spark*.jar")):
        return []
    resolved = [jar.as_uri() for jar in delta_jars()]
    return _extended(settings, "--jars", *resolved) if resolved else _extended(settings, "--packages", DELTA_COORDINATES)


def _has_python(settings: dict[str, str], environ: dict[str, str]) -> bool:
    return bool({"spark.pyspark.python", "spark.archives"} & settings.keys() or environ.get("PYSPARK_PYTHON"))


def _environment(settings: dict[str, str], root: Path) -> list[str]:
    """Ship this Python's environment; the driver keeps the local one where it runs here."""
    archive, python = environment_archive(root), f"./{ENVIRONMENT}/bin/python"
    added = ["--archives", f"{archive.as_uri()}#{ENVIRONMENT}", "--conf", f"spark.pyspark.python={python}"]
    if settings.get("spark.submit.deployMode", "client") == "client":
        return [*added, "--conf", f"spark.pyspark.driver.python={sys.executable}"]
    return [*added, "--conf", f"spark.yarn.appMasterEnv.PYSPARK_PYTHON={python}"]


def main(words: Sequence[str], root: Path, environ: dict[str, str]) -> int:
    """Become spark-submit; the exit code where that is not to be or cannot be."""
    if not words or words[0] in ("--help", "-h"):
        sys.stdout.write(USAGE.format(jobs=", ".join(jobs(root))))
        return 0 if words else 2
    try:
        submission = parse(words, environ)
        if submission.needs_no_job:
            command, variables = [str(spark_home() / "bin" / "spark-submit"), *words], {"JAVA_HOME": str(ensure_java())}
        else:
            command, variables = complete(submission, root, environ)
        if environ.get("TEXTCLF_PRINT_COMMAND"):
            sys.stdout.write(shlex.join(["env", *(f"{name}={value}" for name, value in variables.items()), *command]) + "\n")
            return 0
        archive = environment_archive(root)
        if any(archive.name in word for word in command):
            pack_environment(archive)
    except TextclfError as error:
        sys.stderr.write(f"spark-submit.sh: {error}\n")
        return error.exit_code
    os.execve(command[0], command, environ | variables)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parents[2], dict(os.environ)))
