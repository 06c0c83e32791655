"""The lines of the running steps at a terminal, drawn by rich."""

import os
import sys
from typing import Any, TextIO

from rich.console import Console, ConsoleDimensions
from rich.live import Live
from rich.text import Text

from textclf.common.console import Step
from textclf.common.console.step_line import step_line

_A_SECOND = 4  # drawings
_STYLES = {"warning": "yellow", "error": "red"}


class StreamConsole(Console):
    """Console of one stream, with the size of the terminal behind it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, force_terminal=True, markup=False, emoji=False, highlight=False)

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and rows of the terminal."""
        # Of this stream, while rich would also ask other streams and believe COLUMNS, which is that of the start.
        try:
            columns, rows = os.get_terminal_size(self.file.fileno())
        except (OSError, ValueError):  # no longer a terminal
            columns, rows = 0, 0
        return ConsoleDimensions(columns or 80, rows or 24)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        """Ignore another size."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 - rich's signature
        """Leave the cursor visible: a process that is killed could not show it again."""
        return False


class Screen:
    """The lines of all running steps; the console calls it under its own lock."""

    def __init__(self, stream: TextIO) -> None:
        self._console = StreamConsole(stream)
        self._steps: list[Step] = []
        self._streams = sys.stdout, sys.stderr
        # What Python code writes to sys.stdout and sys.stderr meanwhile goes above the lines.
        self._live = Live(
            get_renderable=self._lines, console=self._console, transient=True, refresh_per_second=_A_SECOND
        )
        self._live.start()

    def add(self, step: Step) -> None:
        """Show a line for a step, below those that are shown."""
        self._steps.append(step)

    def remove(self, step: Step) -> bool:
        """Take a step's line away, and leave one in its place if it is to stay.

        Returns:
            Whether other steps still run.
        """
        if step in self._steps:
            self._steps.remove(step)
            if step.kept:
                self._print(step_line(step, self._width(), ascii_only=self._console.options.ascii_only))
        return bool(self._steps)

    def alone(self, step: Step) -> bool:
        """Whether no other step of the same depth runs beside this one."""
        return not any(each is not step and each.depth == step.depth for each in self._steps)

    def write(self, text: str, level: str) -> None:
        """Write a message above the lines."""
        self._print(Text(text.removesuffix("\n"), style=_STYLES.get(level, "")))

    def close(self) -> None:
        """Clear the lines from the terminal."""
        self._live.stop()

    def abandon(self) -> None:
        """Give the streams back without drawing: the terminal is gone."""
        sys.stdout, sys.stderr = self._streams

    def _print(self, text: Text) -> None:
        # The terminal itself wraps what is too long, so that a path can be copied whole.
        self._console.print(text, soft_wrap=True)

    def _width(self) -> int:
        return self._console.size.width - 1  # with text in the last column some terminals begin a new line

    def _lines(self) -> Any:
        ascii_only = self._console.options.ascii_only
        lines = [step_line(each, self._width(), ascii_only=ascii_only) for each in list(self._steps)]
        return Text("\n").join(lines)
