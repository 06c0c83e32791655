"""``textclf.artifact.mlflow_registry``. It moved; this path goes with the next release."""

from textclf.artifact.mlflow_registry import *  # noqa: F403
