"""Text and JSON that are safe to print: characters that a terminal would act on are escaped."""

import io
import json
import re
import sys
from typing import Any, TextIO

_ACTED_ON = (
    "\x00-\x1f\x7f-\x9f"  # control characters, including the start of escape sequences
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # writing directions, which show a text in another order
    "\u2028\u2029"  # line ends
    "\ufff9-\ufffb\ufeff\U000e0000-\U000e007f"  # invisible marks
    "\ud800-\udfff"  # undecodable bytes of a name, which no encoding can write
)
_ALL = re.compile(f"[{_ACTED_ON}]")
_BUT_LINES = re.compile(f"(?![\n\t])[{_ACTED_ON}]")


def write_anything() -> None:
    """Escape characters that the encoding of the output lacks, so that they cannot end the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def visible(text: str, *, lines: bool = False) -> str:
    """Replace each character that a terminal would act on by a readable escape.

    Args:
        text: Text to show.
        lines: Whether to keep line feeds and tabs, for messages of several lines.

    Example:
        >>> print(visible("good\\x1b[2J"), visible("a\\nb"))
        good\\x1b[2J a\\nb
    """
    return (_BUT_LINES if lines else _ALL).sub(_escape, text)


def json_text(value: Any, *, stream: TextIO | None = None, indent: int | None = None) -> str:
    """Write a value as JSON that a terminal can show safely and that programs read like any other JSON.

    Args:
        value: Value to write.
        stream: Stream that the text will be written to; characters that its encoding may lack are escaped as well.
        indent: Number of blanks by which each level is indented; None for one line.
    """
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-")
    whole = stream is None or encoding in ("utf-8", "utf8")
    text = json.dumps(value, default=str, ensure_ascii=not whole, indent=indent)
    return _BUT_LINES.sub(_json_escape, text)


def toml_text(text: str) -> str:
    """Replace characters that a terminal would act on by the escapes of TOML's quoted strings."""
    return _BUT_LINES.sub(lambda found: f"\\U{ord(found[0]):08x}", text)


def _json_escape(found: re.Match[str]) -> str:
    """Escape a character as JSON does, with two escapes for a character beyond the first 65,536."""
    return f"\\u{ord(found[0]):04x}" if found[0] <= "\uffff" else json.dumps(found[0])[1:-1]


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    code = ord(character)
    return known or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
