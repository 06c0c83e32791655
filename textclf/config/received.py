"""Show a value of the pipeline file in a message."""

from textclf.common.credentials import place_without_credentials
from textclf.common.secrets import masked

_LONGEST = 80  # characters


def received(value: object) -> str:
    """Return Python's ``repr`` of a value, masked before it is cut."""
    if isinstance(value, str):
        value = place_without_credentials(value)
    try:
        text = repr(masked(value))
    except ValueError:  # Python does not convert numbers of more than 4,300 digits to text
        text = "a number of thousands of digits"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
