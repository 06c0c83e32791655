"""``textclf.report.run.data``. It moved; this path goes with the next release."""

from textclf.report.run.data import *  # noqa: F403
