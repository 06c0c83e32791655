"""The program behind ``./spark-submit.sh``: complete a command line for spark-submit, then become the job.

    spark-submit.sh [spark-submit's own options] JOB --config FILE [flags]

The given options are kept. Only what the job cannot run without is added, unless it was given: the master, the project,
Delta's jars, and for a cluster the Python environment; on YARN also the pipeline file, if the driver runs there.

If the driver runs on this machine, Python is started first and starts spark-submit with the options, because
spark-submit would mix the driver's standard error into its standard output. This also means that a wrong pipeline file
is reported before any JVM starts.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from textclf.common.plain_paths import plain_folder
from textclf.common.spark_settings import spark_home
from textclf.errors import TextclfError, UsageError
from textclf.spark import environments
from textclf.spark.companion import companion_jars
from textclf.spark.jars import COMPANION, DELTA_COORDINATES, delta_jars
from textclf.spark.java import check_account, java_home
from textclf.spark.launch.bundle import project_zip
from textclf.spark.launch.class_archive import on_class_path
from textclf.spark.launch.environment import ENVIRONMENT, environment_archive, pack_environment
from textclf.spark.locales import utf8_locale
from textclf.spark.startup_output import log4j_variable
from textclf.spark.submit_options import SETTINGS, Submission, in_one_process, parse

SUBMITTED_AS = "TEXTCLF_SUBMITTED_AS"
"""Environment variable of a job: how the wrapper was called, up to the job's name, for the command that comes next."""
WRAPPER = "./spark-submit.sh"
USAGE = """\
Usage: ./spark-submit.sh [spark-submit's own options] JOB --config FILE [flags]

Jobs: {jobs}

  ./spark-submit.sh run --config conf/sample.toml
  ./spark-submit.sh --master spark://host:7077 --executor-memory 8g score_table --config conf/sample.toml
  ./spark-submit.sh train_model --help

The default --master is local[*]. A job's exit codes: 0 done; 2 wrong command line or pipeline file;
3 unusable input; 4 the gate refused to publish; 5 another run holds the lock; 1 anything else.

TEXTCLF_PYTHON=/path/to/python    use another Python than .venv's
TEXTCLF_PRINT_COMMAND=1           print the final command and run nothing
"""


def jobs(root: Path) -> list[str]:
    """Return the names of the project's jobs."""
    return sorted(path.stem for path in (root / "jobs").glob("[a-z]*.py"))


@dataclass(frozen=True)
class Command:
    """A program to execute in place of this process, and variables to add to its environment."""

    words: list[str]
    variables: dict[str, str]
    watched: bool = False
    """Whether the job's exit code must be read from what the program says."""

    def __str__(self) -> str:
        return shlex.join(["env", *(f"{name}={value}" for name, value in self.variables.items()), *self.words])


Ship = Callable[[Submission, Path, str, Mapping[str, str]], str]
"""Makes an archive available to the cluster: from the command line, the root and the kind to the archive's URL."""


def complete(submission: Submission, root: Path, environ: Mapping[str, str], ship: Ship) -> Command:
    """Complete a command line to the command that runs the job.

    Args:
        submission: The given command line.
        root: Folder of the project.
        environ: Environment of the caller.
        ship: Function that makes the environment's archive available.

    Raises:
        UsageError: There is no such job.
        ConfigError: The pipeline file is not one that a driver on the cluster can use.
        JavaError: There is no Java that Spark can run on.
    """
    if submission.job not in jobs(root):
        raise UsageError("There is no such job.", received=submission.job, expected=f"one of: {', '.join(jobs(root))}")
    settings = submission.settings
    master = _master(settings, environ)
    here = settings.get("spark.submit.deployMode", "client") == "client"
    options, arguments = list(submission.options), submission.arguments
    if master == "yarn" and not here:
        from textclf.spark.launch import yarn  # here and below: what other masters do without is imported late

        arguments, files = yarn.for_driver_there(arguments, settings)
        options += _extended(settings, "--files", *files)
    if "spark.master" not in settings:
        options += ["--master", master]
    options += _extended(settings, "--py-files", project_zip(root).as_uri())
    options += _delta(settings, master)
    variables = {"SPARK_HOME": str(spark_home()), "JAVA_HOME": str(java_home())}
    python = settings.get("spark.pyspark.python") or environ.get("PYSPARK_PYTHON")
    if master.startswith("local"):
        python = python or sys.executable
        variables |= _unless_set(environ, {"SPARK_LOCAL_IP": "127.0.0.1"})
        if "spark.driver.memory" not in settings:
            variables |= _unless_set(environ, {"SPARK_DRIVER_MEMORY": "2g"})
    elif python is None and "spark.archives" not in settings:
        from textclf.spark.launch.environment_choice import environment_kind

        python = f"./{ENVIRONMENT}/bin/python"
        kind = environment_kind(submission, driver_there=not here)
        options += ["--archives", f"{ship(submission, root, kind, environ)}#{ENVIRONMENT}"]
        options += ["--conf", f"{environments.SETTING}={kind}"]
    if python is not None:
        variables["PYSPARK_PYTHON"] = python
    jobs_folder = root / "jobs"
    job = [str((jobs_folder if here else plain_folder(jobs_folder)) / f"{submission.job}.py"), *arguments]
    if here:
        variables[SUBMITTED_AS] = shlex.join([environ.get("TEXTCLF_SUBMIT", WRAPPER), *submission.options])
        return _driver_here(options, job, variables, root, environ)
    return _driver_there(options, job, variables, settings, environ)


def _driver_here(
    options: list[str], job: list[str], variables: dict[str, str], root: Path, environ: Mapping[str, str]
) -> Command:
    # The Python files of the Spark in SPARK_HOME come first, as spark-submit does it.
    spark = sorted(Path(environ["SPARK_HOME"], "python", "lib").glob("*.zip")) if environ.get("SPARK_HOME") else []
    paths = [*map(str, spark), str(root), environ.get("PYTHONPATH", "")]
    more = {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, paths))),
        "PYSPARK_SUBMIT_ARGS": shlex.join([*options, "pyspark-shell"]),
        # Through the environment, so that the driver's Java options are left to the user.
        **log4j_variable(environ),
    }
    return Command([sys.executable, *job], variables | more)


def _driver_there(
    options: list[str],
    job: list[str],
    variables: dict[str, str],
    settings: Mapping[str, str],
    environ: Mapping[str, str],
) -> Command:
    # A driver elsewhere may have any locale, and Java names files in the locale's encoding.
    added = {
        f"{place}.LC_ALL": utf8_locale(environ, master)
        for place, master in {"spark.yarn.appMasterEnv": "yarn", "spark.kubernetes.driverEnv": "k8s://"}.items()
    }
    if _master(settings, environ) == "yarn":
        added["spark.yarn.maxAppAttempts"] = "1"  # a second attempt is the scheduler's decision
    python = variables.get("PYSPARK_PYTHON")
    if python is not None:
        added |= dict.fromkeys(("spark.pyspark.python", "spark.yarn.appMasterEnv.PYSPARK_PYTHON"), python)
    for name, value in added.items():
        options += [] if name in settings else ["--conf", f"{name}={value}"]
    return Command([_spark_submit(), *options, *job], variables, watched=_master(settings, environ) == "yarn")


def _master(settings: Mapping[str, str], environ: Mapping[str, str]) -> str:
    return settings.get("spark.master") or environ.get("MASTER") or "local[*]"


def _local_url(submission: Submission, root: Path, kind: str, environ: Mapping[str, str]) -> str:  # noqa: ARG001
    return environment_archive(root, kind).as_uri()


def _packed_url(submission: Submission, root: Path, kind: str, environ: Mapping[str, str]) -> str:
    """Pack the environment if necessary, and on YARN put it into the cluster's storage."""
    check_account()
    if kind == environments.FULL:
        environments.check_build(submission.settings)
    archive = environment_archive(root, kind)
    pack_environment(archive, kind)
    on_yarn = _master(submission.settings, environ) == "yarn"
    if not on_yarn:
        return archive.as_uri()
    from textclf.spark.launch import cluster_store

    return cluster_store.stored(archive, submission.settings, environ) or archive.as_uri()


def _spark_submit() -> str:
    return str(spark_home() / "bin" / "spark-submit")


def _unless_set(environ: Mapping[str, str], values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if not environ.get(name)}


def _extended(settings: Mapping[str, str], option: str, *more: str) -> list[str]:
    """Return a list option with its given values and ``more``, because spark-submit uses only the last occurrence."""
    given = settings.get(SETTINGS[option], "")
    return [option, ",".join(filter(None, [given, *more]))]


def _delta(settings: Mapping[str, str], master: str) -> list[str]:
    """Return the options for Delta's jars and the companion; none if ``open_session`` puts them on the class path."""
    if in_one_process(master) and on_class_path(settings):
        return []
    given = settings.get("spark.jars", "") + settings.get("spark.jars.packages", "")
    there = "delta-spark" in given or any(spark_home().glob("jars/delta-spark*.jar"))
    resolved = [] if there else delta_jars()
    added = [*resolved, *([] if COMPANION in given else companion_jars())]
    options = _extended(settings, "--jars", *(jar.as_uri() for jar in added)) if added else []
    return options + ([] if there or resolved else _extended(settings, "--packages", DELTA_COORDINATES))


def main(words: Sequence[str], root: Path, environ: Mapping[str, str]) -> int:
    """Become the job. Returns an exit code only if there is no job to run or it cannot be started."""
    if not words or words[0] in ("--help", "-h"):
        sys.stdout.write(USAGE.format(jobs=", ".join(jobs(root))))
        return 0 if words else 2
    try:
        submission = parse(words, environ)
        if submission.needs_no_job:
            command = Command([_spark_submit(), *words], {"JAVA_HOME": str(java_home())})
        else:
            ship = _local_url if environ.get("TEXTCLF_PRINT_COMMAND") else _packed_url
            command = complete(submission, root, environ, ship)
        if environ.get("TEXTCLF_PRINT_COMMAND"):
            sys.stdout.buffer.write(os.fsencode(f"{command}\n"))  # a path may have any bytes, and stdout any encoding
            sys.stdout.flush()
            return 0
        check_account()
    except TextclfError as error:
        sys.stderr.write(f"spark-submit.sh: {error}\n")
        return error.exit_code
    if command.watched:
        from textclf.spark.launch import yarn

        return yarn.run_there(command.words, {**environ, **command.variables})
    return _become(command, environ)


def _become(command: Command, environ: Mapping[str, str]) -> NoReturn:
    # In the same process, so that signals reach the job and its exit code is kept.
    os.execve(command.words[0], command.words, {**environ, **command.variables})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parents[3], os.environ))
