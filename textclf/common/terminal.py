"""What goes to a terminal: text in which nothing is left that a terminal would act on, and JSON that is still JSON."""

import io
import json
import re
import sys
from typing import Any, TextIO

_ACTED_ON = (
    "\x00-\x1f\x7f-\x9f"  # control characters, the begin of escape sequences among them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # directions of writing, which show a text in another order
    "\u2028\u2029"  # ends of lines
    "\ufff9-\ufffb\ufeff\U000e0000-\U000e007f"  # marks that show nothing
    "\ud800-\udfff"  # bytes of a name that are no text, which no encoding can write
)
_ALL = re.compile(f"[{_ACTED_ON}]")
_BUT_LINES = re.compile(f"(?![\n\t])[{_ACTED_ON}]")


def write_anything() -> None:
    """Let no character of a text end a program where its output has a narrow encoding: it is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def visible(text: str, *, lines: bool = False) -> str:
    """A text with an escape that people can read for each character that a terminal would act on.

    Args:
        lines: Leave line feeds and tabs, which are ours where a message has several lines.

    Example:
        >>> print(visible("good\\x1b[2J"), visible("a\\nb"))
        good\\x1b[2J a\\nb
    """
    return (_BUT_LINES if lines else _ALL).sub(_escape, text)


def json_text(value: Any, *, stream: TextIO | None = None, indent: int | None = None) -> str:
    """A value as JSON that a terminal shows and that programs read as any other.

    Args:
        stream: Where it will be written: characters that its encoding may lack are escaped, too.
    """
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-")
    whole = stream is None or encoding in ("utf-8", "utf8")
    text = json.dumps(value, default=str, ensure_ascii=not whole, indent=indent)
    return _BUT_LINES.sub(_json_escape, text)


def toml_text(text: str) -> str:
    """TOML in whose quoted strings an escape stands for what a terminal would act on."""
    return _BUT_LINES.sub(lambda found: f"\\U{ord(found[0]):08x}", text)


def _json_escape(found: re.Match[str]) -> str:
    """As JSON has it, which is two escapes for a character beyond the first 65,536."""
    return f"\\u{ord(found[0]):04x}" if found[0] <= "\uffff" else json.dumps(found[0])[1:-1]


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    code = ord(character)
    return known or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
