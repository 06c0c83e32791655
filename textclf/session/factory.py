"""``textclf.spark.session``. It moved; this path goes with the next release."""

from textclf.spark.session import *  # noqa: F403
