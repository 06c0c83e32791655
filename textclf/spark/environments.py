"""The two Python environments that executors may get, and what a job does where the lean one is not enough."""

from collections.abc import Mapping

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
