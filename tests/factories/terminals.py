"""Characters of a text that a terminal interprets, and processes at a real pseudo-terminal."""

import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from unicodedata import bidirectional, category
from unittest.mock import patch

ACTED_ON = ("Cc", "Zl", "Zp", "Cs")
BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_SEQUENCE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_LONGEST = 540.0  # seconds


def acted_on(text: str) -> list[str]:
    """Return the characters of a text that a terminal interprets, except line feeds and tabs."""
    return [
        each
        for each in text
        if each not in "\n\t"
        and (category(each) in ACTED_ON or bidirectional(each) in BIDI or each in "\ufeff\U000e0041")
    ]


@dataclass
class Screen:
    """What a terminal of a width shows, without a limit of lines, for the sequences that our output uses.

    Attributes:
        columns: Width.
        rows: Shown lines.
        wrapped: Numbers of the lines that go on because the one before was full.
    """

    columns: int
    rows: list[list[str]] = field(default_factory=lambda: [[]])
    wrapped: set[int] = field(default_factory=set)
    _row: int = 0
    _column: int = 0

    def feed(self, text: str) -> None:
        """Act on output.

        Raises:
            AssertionError: The output has a sequence that this terminal does not know.
        """
        at = 0
        while at < len(text):
            found = _SEQUENCE.match(text, at)
            if found:
                self._act(found[2], found[1])
                at = found.end()
                continue
            assert text[at] != "\x1b", text[at : at + 20]
            self._put(text[at])
            at += 1

    def lines(self) -> list[str]:
        """Return the shown lines that are not empty, each whole even if it takes several rows."""
        joined: list[str] = []
        for number, row in enumerate(self.rows):
            shown = "".join(row)
            if number in self.wrapped:
                joined[-1] += shown
            else:
                joined.append(shown)
        return [each.rstrip() for each in joined if each.strip()]

    def _act(self, letter: str, given: str) -> None:
        if letter == "A":
            self._row -= int(given or 1)
        elif letter == "K":
            assert given == "2", given
            self.rows[self._row] = []
            self.wrapped.discard(self._row)
        else:
            assert letter == "m", (given, letter)

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._down()
        else:
            assert character >= " ", repr(character)
            if self._column == self.columns:
                self._down()
                self._column = 0
                self.wrapped.add(self._row)
            row = self.rows[self._row]
            row.extend(" " * (self._column + 1 - len(row)))
            row[self._column] = character
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append([])


@dataclass(frozen=True)
class Session:
    """What a process wrote to its terminal, and its exit code."""

    written: str
    code: int
    columns: int

    @property
    def shown(self) -> list[str]:
        """Lines that stay on the screen."""
        screen = Screen(self.columns)
        screen.feed(self.written)
        return screen.lines()

    @property
    def drawn(self) -> list[str]:
        """Everything that was ever on a line, without colours, in order."""
        plain = _COLOUR.sub("", self.written)
        return [each for each in re.split(r"[\r\n]|\x1b\[2K|\x1b\[\d*A", plain) if each.strip()]

    @property
    def colours(self) -> set[str]:
        """Sequences for colours and styles in the output."""
        return set(_COLOUR.findall(self.written))


def at_terminal(
    command: Sequence[object],
    columns: int = 80,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    error: Path | None = None,
    output: Path | None = None,
) -> Session:
    """Run a command at a pseudo-terminal and return what it wrote there.

    Args:
        command: Program and arguments.
        columns: Width of the terminal.
        environ: Variables in addition to those of this process; an empty value removes one.
        cwd: Folder of the process; by default that of this process.
        error, output: File for standard error or standard output; by default the terminal.
    """
    known = dict(os.environ) | {"TERM": "xterm-256color"} | dict(environ or {})
    master, slave = _opened(columns)
    with ExitStack() as stack:
        files = [slave if file is None else stack.enter_context(file.open("wb")) for file in (output, error)]
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=slave, stdout=files[0], stderr=files[1],
            env={name: value for name, value in known.items() if value}, cwd=cwd, start_new_session=True,
        )  # fmt: skip
    os.close(slave)
    written = _read(master, process)
    return Session(written, process.wait(), columns)


@contextmanager
def terminal_here(columns: int = 80) -> Iterator[list[Session]]:
    """Make standard error of this process a pseudo-terminal inside the block.

    Yields:
        List that has the session after the block.
    """
    master, slave = _opened(columns)
    sessions: list[Session] = []
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(_read, master)
        with (
            open(slave, "w", encoding="utf-8") as file,
            patch.dict(os.environ, {"TERM": "xterm-256color"}),
            redirect_stderr(file),
        ):
            yield sessions
        sessions.append(Session(written.result(), 0, columns))


def _opened(columns: int) -> tuple[int, int]:
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return master, slave


def _read(master: int, process: "subprocess.Popen[bytes] | None" = None) -> str:
    """Read a terminal until its last process has closed it."""
    parts: list[bytes] = []
    end = time.monotonic() + _LONGEST
    while True:
        if not select.select([master], [], [], max(end - time.monotonic(), 0))[0]:
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)
            raise TimeoutError(b"".join(parts).decode(errors="replace"))
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # Linux' way to say that no process has the terminal any more
            part = b""
        if not part:
            os.close(master)
            return b"".join(parts).decode()
        parts.append(part)
