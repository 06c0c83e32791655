"""``textclf.storage``, and ``textclf.runs`` for records. It moved; this path goes with the next release."""

from textclf.runs.record import RunRecord as RunRecord
from textclf.storage import *  # noqa: F403
