"""``textclf.scoring.days``. It moved; this path goes with the next release."""

from textclf.scoring.days import *  # noqa: F403
