"""``textclf init``: a pipeline file from a look at the data."""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.cli.output import write_lines
from textclf.errors import InputError, UsageError
from textclf.terminal import visible

if TYPE_CHECKING:
    from textclf.cli.pipeline_file import Named

_SUFFIXES = (".txt", ".tsv", ".csv", ".jsonl", ".json", ".parquet")


def add(commands: Any) -> None:
    """Add the command."""
    about = "Look at labelled texts and write a commented pipeline file for them."
    made = commands.add_parser("init", help="write a pipeline file from a look at the data", description=about)
    made.add_argument(
        "data", nargs="+", metavar="FOLDER_OR_TABLE",
        help="labelled texts: a file, a folder of files, a Parquet or Delta table",
    )  # fmt: skip
    made.add_argument("--score", metavar="TABLE", help="a Parquet or Delta table of texts to score")
    made.add_argument("--output", default="pipeline.toml", metavar="FILE", help="default: pipeline.toml; - prints it")
    made.add_argument(
        "--warehouse", default="warehouse", metavar="FOLDER", help="for tables and models; default: warehouse"
    )
    made.add_argument("--force", action="store_true", help="replace the file where there is one")
    made.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, and write the file."""
    from textclf.cli.pipeline_file import pipeline_text
    from textclf.config import parse_pipeline

    target = None if args.output == "-" else Path(args.output)
    if target is not None and target.exists() and not args.force:
        raise UsageError(
            "There is a pipeline file already.", received=args.output, expected="a name that is free",
            fix="give another --output, or --force to replace it",
        )  # fmt: skip
    sources, left_out = look_at(args.data)
    text = pipeline_text(sources, left_out, args.warehouse, args.score)
    parse_pipeline(text, name=args.output)  # what was found must be what a pipeline file may hold
    if target is None:
        sys.stdout.write(text)
        return 0
    target.write_text(text, encoding="utf-8")
    for source in sources:
        found = source.look
        rows = f"{len(found.texts):,} labelled texts" + ("" if found.whole else " in what was looked at")
        write_lines(f"{source.name}: {source.look.keys['format']}, {rows}, {len(found.labels)} labels")
    for path, reason in left_out.items():
        write_lines(visible(f"left out: {path}: {reason}"))
    write_lines(visible(f"{target} is written. Next: textclf check --config {target}"))
    return 0


def look_at(data: Sequence[str]) -> tuple[list["Named"], dict[str, str]]:
    """The sources in these places, and the files that are none, with the reason.

    Raises:
        InputError: A place does not exist, or there is nothing labelled in any.
    """
    from textclf.cli.look import EXPECTED, NotLabelledError
    from textclf.cli.pipeline_file import Named, is_text

    sources: list[Named] = []
    left_out: dict[str, str] = {}
    for place in data:
        if not Path(place).exists():
            raise InputError("There is no such data.", received=place, expected="a file or folder that exists")
        for path, look in _places(Path(place)):
            if not is_text(str(path)):
                left_out[str(path)] = "a name that is not UTF-8, which no pipeline file can hold"
                continue
            try:
                sources.append(Named(_name(path, [source.name for source in sources]), str(path), look()))
            except NotLabelledError as error:
                left_out[str(path)] = str(error.received or error.problem).partition("\n")[0]
    if not sources:
        raise InputError(
            "Nothing here looks like labelled texts.",
            received="; ".join(f"{path}: {reason}" for path, reason in left_out.items()) or "no files",
            expected=EXPECTED,
            fix="write the pipeline file by hand: README.md lists its keys",
        )
    return sources, left_out


def _places(place: Path) -> Iterator[tuple[Path, Any]]:
    """Each source-to-be with the function that looks at it."""
    from textclf.cli.look import look_at_files
    from textclf.cli.tables import look_at_table, table_format

    form = table_format(place)
    if form is not None:
        yield place, lambda: look_at_table(place, form)
        return
    if place.is_file():
        yield place, lambda: look_at_files([place])
        return
    groups: dict[str, list[Path]] = {}
    for file in sorted(path for path in place.iterdir() if path.is_file() and path.name[0] not in "._"):
        groups.setdefault(re.sub(r"\d+", "*", file.name), []).append(file)
    for pattern, files in groups.items():  # part-0001.csv and part-0002.csv are one source
        path = files[0] if len(files) == 1 else place / pattern
        yield path, lambda files=files: look_at_files(files)


def _name(path: Path, taken: Sequence[str]) -> str:
    stem = path.name.partition(".")[0] if path.suffix in _SUFFIXES else path.name
    stem = re.sub(r"[_-](labell?ed|reviews?)$", "", re.sub(r"[^A-Za-z0-9_-]+", "-", stem)).strip("-_") or "source"
    name, number = stem[:90], 2
    while name.casefold() in (each.casefold() for each in taken):
        name, number = f"{stem[:90]}-{number}", number + 1
    return name
