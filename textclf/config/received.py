"""A value of the pipeline file as a message about it shows it."""

from textclf.common.credentials import place_without_credentials
from textclf.common.secrets import masked

_LONGEST = 80  # characters


def received(value: object) -> str:
    """A value as Python writes it, masked before it is cut."""
    if isinstance(value, str):
        value = place_without_credentials(value)
    try:
        text = repr(masked(value))
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
