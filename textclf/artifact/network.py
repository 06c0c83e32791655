"""``textclf.artifact.keras_export``. It moved; this path goes with the next release."""

from textclf.artifact.keras_export import *  # noqa: F403
