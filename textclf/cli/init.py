"""``textclf init``: inspect labelled data and write a pipeline file for it."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.cli.output import write_lines
from textclf.common.terminal import visible
from textclf.errors import InputError, UsageError

if TYPE_CHECKING:
    from textclf.cli.pipeline_file import Named
    from textclf.cli.sniff.files import Look, UnsureError
    from textclf.cli.sniff.sample import Asked

_SUFFIXES = (".txt", ".tsv", ".csv", ".jsonl", ".json", ".parquet")


def add(commands: Any) -> None:
    """Add the command."""
    about = "Inspect labelled texts and write a commented pipeline file for them."
    made = commands.add_parser("init", help="inspect labelled data and write a pipeline file", description=about)
    made.add_argument(
        "data", nargs="+", metavar="FOLDER_OR_TABLE",
        help="labelled texts: a file, a folder of files, a Parquet or Delta table",
    )  # fmt: skip
    made.add_argument("--score", metavar="TABLE", help="a Parquet or Delta table of texts to score")
    made.add_argument("--output", default="pipeline.toml", metavar="FILE", help="default: pipeline.toml; - prints it")
    made.add_argument(
        "--warehouse", default="warehouse", metavar="FOLDER", help="for tables and models; default: warehouse"
    )
    made.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="how to read the data, where it cannot be detected: encoding, delimiter, quoting, escape, header, "
        "columns, text, label, format",
    )  # fmt: skip
    made.add_argument("--force", action="store_true", help="replace an existing file")
    made.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Inspect the data and write the file."""
    from textclf.cli.pipeline_file import pipeline_text
    from textclf.cli.sniff.sample import parse_asked
    from textclf.config import parse_pipeline

    target = None if args.output == "-" else _target(args.output, force=args.force)
    sources, left_out = look_at(args.data, parse_asked(args.set))
    text = pipeline_text(sources, left_out, args.warehouse, args.score)
    parse_pipeline(text, name=args.output)  # fails here rather than in the first job if the file is invalid
    for source in sources:
        for note in source.look.notes:
            _say(f"textclf init: {source.name}: {note}")
    say = _say if target is None else write_lines
    if target is None:
        _print(text)
    else:
        _write(target, text)
    for source in sources:
        part = "" if source.look.whole else "the beginning: "
        say(visible(f"{source.name}: {source.look.keys['format']}, {part}{source.look.counted}"))
    for path, reason in left_out.items():
        say(visible(f"left out: {path}: {reason}"))
    if target is not None:
        write_lines(visible(f"Wrote {target}. Next: textclf check --config {target}"))
    return 0


def _print(text: str) -> None:
    """Print the file in UTF-8 whatever the locale: TOML is always UTF-8."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(visible(text) + "\n")


def _target(given: str, *, force: bool) -> Path:
    """Return the path to write the file to.

    Raises:
        UsageError: The file exists already, or cannot be written.
    """
    target = Path(given)
    try:
        there, folder = target.exists(), target.is_dir()
    except (OSError, ValueError) as error:
        raise _unwritable(given, error) from error
    if folder:
        raise _unwritable(given, "a folder")
    if there and not force:
        raise UsageError(
            "The pipeline file exists already.", received=given, expected="the name of a new file",
            fix="give another --output, or --force to replace it",
        )  # fmt: skip
    return target


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unwritable(str(target), error) from error


def _unwritable(given: str, received: object) -> UsageError:
    return UsageError(
        "The pipeline file cannot be written.",
        received=getattr(received, "strerror", None) or received,
        expected=f"a file in a folder that this user may write to; --output was {given!r}",
        fix="give another --output, or - to print it",
    )


def look_at(data: Sequence[str], asked: "Asked | None" = None) -> tuple[list["Named"], dict[str, str]]:
    """Find the sources at the given paths.

    Args:
        data: Files, folders and tables to inspect.
        asked: Keys of ``[[sources]]`` that the user has given.

    Returns:
        The sources, and the reason for each file that was left out.

    Raises:
        InputError: A path does not exist, or no path holds labelled texts.
        UsageError: Some data can be read in several ways, and there is no terminal to ask at.
    """
    from textclf.cli.pipeline_file import Named, is_text
    from textclf.cli.sniff.places import data_places
    from textclf.cli.sniff.sample import EXPECTED

    sources: list[Named] = []
    left_out: dict[str, str] = {}
    unsure: list[UnsureError] = []
    unusable: list[InputError] = []
    for given in data:
        for path, look in data_places(given, asked or {}):
            if not is_text(str(path)):
                left_out[str(path)] = "its name is not UTF-8, so a pipeline file cannot hold it"
                continue
            found = _found(path, look, left_out, unsure, unusable)
            if found is not None:
                sources.append(Named(_name(path, [source.name for source in sources]), str(path), found))
    if unsure:
        raise unsure[0] if len(unsure) == 1 else UsageError("\n".join(map(str, unsure)))
    if not sources:
        if len(unusable) == len(left_out) == 1:
            raise unusable[0]
        raise InputError(
            "Nothing here looks like labelled texts.",
            received="; ".join(f"{path}: {reason}" for path, reason in left_out.items()) or "no files",
            expected=EXPECTED,
            fix="write the pipeline file by hand: docs/manual/pipeline-file.md lists its keys",
        )
    return sources, left_out


def _found(
    path: Path,
    look: "Callable[[], Look]",
    left_out: dict[str, str],
    unsure: list["UnsureError"],
    unusable: list[InputError],
) -> "Look | None":
    """Inspect one path and ask the user in doubt; record the reason and return None when it is no source."""
    from textclf.cli.sniff.files import UnsureError
    from textclf.cli.sniff.sample import NotLabelledError

    try:
        return look()
    except NotLabelledError as error:
        left_out[str(path)] = str(error.received or error.problem).partition("\n")[0]
    except InputError as error:  # one damaged file must not stop the others
        left_out[str(path)] = f"{error.problem} {error.received or ''}".strip().partition("\n")[0]
        unusable.append(error)
    except OSError as error:
        left_out[str(path)] = f"cannot be read: {error.strerror}"
    except UnsureError as error:
        chosen = _ask(error)
        if chosen is None:
            unsure.append(error)
        return chosen
    return None


def _ask(error: "UnsureError") -> "Look | None":
    """Ask the user at the terminal to choose; None without a terminal or without an answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    write_lines(str(error.problem))
    write_lines("\n".join(f"  {line}" for line in str(error.received).split("\n    ")))
    for _ in range(3):
        sys.stdout.write(f"Which? 1 to {len(error.options)}, or nothing to end: ")
        sys.stdout.flush()
        answer = sys.stdin.readline().strip()
        if not answer:
            return None
        if answer.isdecimal() and 1 <= int(answer) <= len(error.options):
            return error.options[int(answer) - 1]
    return None


def _name(path: Path, taken: Sequence[str]) -> str:
    stem = path.name.partition(".")[0] if path.suffix in _SUFFIXES else path.name
    stem = re.sub(r"[_-](labell?ed|reviews?)$", "", re.sub(r"[^A-Za-z0-9_-]+", "-", stem)).strip("-_") or "source"
    name, number = stem[:90], 2
    while name.casefold() in (each.casefold() for each in taken):
        name, number = f"{stem[:90]}-{number}", number + 1
    return name
