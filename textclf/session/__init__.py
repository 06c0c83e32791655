"""``textclf.spark``. It moved; this path goes with the next release."""

from textclf.spark import *  # noqa: F403
