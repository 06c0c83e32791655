"""``textclf.report.run.page``. It moved; this path goes with the next release."""

from textclf.report.run.page import *  # noqa: F403
