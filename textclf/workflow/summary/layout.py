"""Draw a summary as wide as its terminal: tables where they fit, else one value a line."""

from dataclasses import replace
from typing import TextIO

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from textclf.common.console.screen import StreamConsole
from textclf.common.terminal import visible
from textclf.workflow.summary.blocks import Block, Cell, Summary

_BETWEEN = 2  # columns
_SHOWN = 20  # rows of a block
_MARKS = {True: ("✓", "+", "green"), False: ("✗", "x", "red")}


def draw(summary: Summary, stream: TextIO) -> None:
    """Write a summary to a terminal."""
    console = StreamConsole(stream)
    mark, plain, style = _MARKS[summary.status == "succeeded"]
    first = Text(plain if console.options.ascii_only else mark, style=style)
    _whole(console, first + Text(f" {visible(summary.headline)}", style="bold"))
    _whole(console, Text(f"  run {summary.run_id}", style="dim"))
    if summary.problem is not None:
        _indented(console, summary.problem, "red")
    for block in summary.blocks:
        console.print()
        _draw_block(console, block)
    if summary.following is not None:
        console.print()
        _whole(console, Text("next", style="bold"))
        # Never broken into lines, not even by an indent: people copy it.
        _whole(console, Text(visible(summary.following), style="cyan"))


def _draw_block(console: StreamConsole, block: Block) -> None:
    if block.title:
        _whole(console, Text(block.title, style="bold"))
    shown = replace(block, rows=block.rows[:_SHOWN])
    if not block.header:
        _draw_pairs(console, [(_text(name), _text(text)) for name, text in shown.rows])
    elif _width(shown) <= console.size.width - 1:
        console.print(_table(shown))
    else:
        _draw_stacked(console, shown)
    if more := len(block.rows) - len(shown.rows):
        _whole(console, Text(f"  and {more:,} more, in the run record", style="dim"))


def _draw_pairs(console: StreamConsole, pairs: list[tuple[str, str]]) -> None:
    """Draw names and texts in two columns, or below each other where a text does not fit beside its name."""
    widest = max(cell_len(name) for name, _ in pairs)
    beside = widest + _BETWEEN <= console.size.width // 2
    for name, text in pairs:
        if beside and 2 + widest + _BETWEEN + cell_len(text) < console.size.width:
            _whole(console, Text(f"  {name}{' ' * (widest - cell_len(name) + _BETWEEN)}{text}"))
            continue
        _whole(console, Text(f"  {name}"))
        # What has no blanks is a path or a URL, which stays whole.
        if " " in text:
            _indented(console, text, depth=4)
        else:
            _whole(console, Text(text))


def _draw_stacked(console: StreamConsole, block: Block) -> None:
    for first, *others in block.rows:
        _whole(console, Text(f"  {_text(first)}"))
        named = [f"{name} {_text(cell)}" for name, cell in zip(block.header[1:], others, strict=True) if _text(cell)]
        _indented(console, ", ".join(named), depth=4)


def _table(block: Block) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _BETWEEN, 0, 0), header_style="dim", show_edge=False)
    for at, name in enumerate(("", *block.header)):  # the first, empty column is the indent
        numbers = at > 0 and all(isinstance(row[at - 1], int) or row[at - 1] is None for row in block.rows)
        table.add_column(Text(name), justify="right" if numbers else "left", no_wrap=True)
    for row in block.rows:
        table.add_row("", *(Text(_text(cell)) for cell in row))
    return table


def _width(block: Block) -> int:
    """Columns that a table needs."""
    columns = zip(block.header, *([_text(cell) for cell in row] for row in block.rows), strict=True)
    return sum(_BETWEEN + max(map(cell_len, column)) for column in columns)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:,}" if isinstance(cell, int) else visible(str(cell))


def _indented(console: StreamConsole, text: str, style: str = "", depth: int = 2) -> None:
    """Print a text that is broken between words."""
    for line in Text(visible(text, lines=True), style=style).wrap(console, max(console.size.width - 1 - depth, 1)):
        line.rstrip()
        _whole(console, Text(" " * depth) + line)


def _whole(console: StreamConsole, text: Text) -> None:
    """Print one line; what is longer than the terminal is left to the terminal, so that it is copied as one."""
    console.print(text, soft_wrap=True)
