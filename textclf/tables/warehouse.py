"""``textclf.storage.warehouse``. It moved; this path goes with the next release."""

from textclf.storage.warehouse import *  # noqa: F403
