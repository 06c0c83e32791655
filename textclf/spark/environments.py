"""The two Python environments that executors may get, and what a job does where the lean one is not enough."""

from collections.abc import Mapping

from textclf.common.package_versions import CPU, tensorflow_builds
from textclf.errors import UsageError

SETTING = "spark.textclf.environment"
"""Which environment executors get: ``full``, ``lean``, or ``auto`` to choose by the job."""
FULL, LEAN, AUTO = "full", "lean", "auto"


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
