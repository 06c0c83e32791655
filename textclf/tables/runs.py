"""``textclf.runs.record``. It moved; this path goes with the next release."""

from textclf.runs.record import *  # noqa: F403
