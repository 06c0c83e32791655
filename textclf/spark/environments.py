"""The two Python environments that executors may get, what a job does where the lean one is not enough, and which of
TensorFlow's two builds is in this one.
"""

from collections.abc import Mapping
from contextlib import suppress

from textclf.errors import UsageError

SETTING = "spark.textclf.environment"
"""Which environment executors get: ``full``, ``lean``, or ``auto`` to choose by the job."""
FULL, LEAN, AUTO = "full", "lean", "auto"
CPU, GPU = "cpu", "gpu"
TENSORFLOW = {CPU: "tensorflow-cpu", GPU: "tensorflow"}
"""The distribution of each build of TensorFlow; both have the same files, so only one of them may be installed."""


def check_tensorflow(settings: Mapping[str, str], received: str) -> None:
    """Refuse work that needs TensorFlow on executors if they have the environment without it.

    Args:
        settings: Settings of the session.
        received: What needs TensorFlow, and why.

    Raises:
        UsageError: The executors have the lean environment.
    """
    if settings.get(SETTING) == LEAN and not settings.get("spark.master", "").startswith("local"):
        raise UsageError(
            "The executors have an environment without TensorFlow, and this job needs it there.",
            received=received,
            expected="the full environment on the executors",
            fix=f"submit the job with --conf {SETTING}={FULL}, before its name",
        )


def check_build(settings: Mapping[str, str]) -> None:
    """Refuse to send an environment whose TensorFlow has no part for GPUs to executors that have them.

    Args:
        settings: Settings of the job.

    Raises:
        UsageError: The environment has TensorFlow's build for CPUs, and the executors have GPUs.
    """
    amount = settings.get("spark.executor.resource.gpu.amount", "0")
    if amount not in ("", "0") and tensorflow_builds() == [CPU]:
        raise UsageError(
            "The executors have GPUs, and the environment for them has TensorFlow's build for CPUs.",
            received=f"spark.executor.resource.gpu.amount={amount}",
            expected="TensorFlow's build for GPUs in the environment that is sent",
            fix="run `make setup TENSORFLOW=gpu` on this machine, or name the executors' Python: "
            "--conf spark.pyspark.python=/path/to/python",
        )


def package_version(name: str) -> str:
    """Return the version of an installed package; ``tensorflow`` stands for either build of it.

    Args:
        name: Name of the distribution.

    Raises:
        PackageNotFoundError: It is not installed.

    Example:
        >>> package_version("pyspark")
        '4.2.0'
    """
    from importlib.metadata import version  # late: the submit wrapper and commands start without it

    builds = tensorflow_builds() if name == TENSORFLOW[GPU] else []
    return version(TENSORFLOW[builds[0]] if builds else name)


def tensorflow_builds() -> list[str]:
    """Return the installed builds of TensorFlow, ``cpu`` or ``gpu``; both after a mistake."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for build, package in TENSORFLOW.items():
        with suppress(PackageNotFoundError):
            found += [build] if version(package) else []
    return found
