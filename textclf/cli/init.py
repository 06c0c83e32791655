"""``textclf init``: a pipeline file from a look at the data."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.cli.output import cell
from textclf.errors import InputError, UsageError

if TYPE_CHECKING:
    from textclf.cli.look import Look
    from textclf.cli.tables import Scorable

_SUFFIXES = (".txt", ".tsv", ".csv", ".jsonl", ".json", ".parquet")
_LARGE = 1_000_000  # rows from which the split goes by digests, which need no count
_UNEQUAL = 4  # times that the most frequent label may outnumber the rarest before rows are weighed


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


@dataclass(frozen=True)
class Named:
    """A source as the pipeline file will have it."""

    name: str
    path: str
    look: "Look"


def run(args: argparse.Namespace) -> int:
    """Look, and write the file."""
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
        sys.stdout.write(f"{source.name}: {source.look.keys['format']}, {rows}, {len(found.labels)} labels\n")
    for path, reason in left_out.items():
        sys.stdout.write(f"left out: {path}: {reason}\n")
    sys.stdout.write(f"{target} is written. Next: textclf check --config {target}\n")
    return 0


def look_at(data: Sequence[str]) -> tuple[list[Named], dict[str, str]]:
    """The sources in these places, and the files that are none, with the reason.

    Raises:
        InputError: A place does not exist, or there is nothing labelled in any.
    """
    from textclf.cli.look import EXPECTED, NotLabelledError

    sources: list[Named] = []
    left_out: dict[str, str] = {}
    for place in data:
        if not Path(place).exists():
            raise InputError("There is no such data.", received=place, expected="a file or folder that exists")
        for path, look in _places(Path(place)):
            try:
                sources.append(Named(_name(path, [source.name for source in sources]), str(path), look()))
            except NotLabelledError as error:
                left_out[str(path)] = str(error).partition("received: ")[2].partition("\n")[0] or error.problem
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


def pipeline_text(sources: Sequence[Named], left_out: Mapping[str, str], warehouse: str, score: str | None) -> str:
    """The pipeline file, commented."""
    head = [
        "# Written by `textclf init` from a look at the data; README.md lists every key.",
        f"warehouse = {_toml(warehouse)} # folder or URL of tables and models",
    ]
    sections = [head, *map(_source, sources)]
    if left_out:
        sections.append(["# Left out, because no labelled texts were found in them:"])
        sections[-1] += [f"# {path}: {reason}" for path, reason in left_out.items()]
    sections += [_sizes(sources), _search(sources), _score(sources, warehouse, score)]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _source(source: Named) -> list[str]:
    look = source.look
    part = "" if look.whole else "the beginning: "
    common = ", ".join(f"{cell(label)} {count:,}" for label, count in look.labels.most_common(5))
    more = f" and {len(look.labels) - 5} more" if len(look.labels) > 5 else ""
    lines = [f"# {part}{len(look.texts):,} labelled texts; labels: {common}{more}"]
    if look.refused:
        lines.append(f"# {look.refused:,} other records, which ingest_corpus will refuse with a reason")
    lines += [f"# {note}" for note in look.notes]
    lines += ["[[sources]]", f"name = {_toml(source.name)}", f"path = {_toml(source.path)}"]
    lines += [f"{key} = {_toml(value)}" for key, value in look.keys.items()]
    if look.label_set is not None:
        lines.append(f"labels = {_toml(look.label_set)} # other labels are refused")
    return lines


def _sizes(sources: Sequence[Named]) -> list[str]:
    words = sorted(len(text.split()) for source in sources for text in source.look.texts)
    most = words[int(0.99 * (len(words) - 1))]
    length = min(max(-(-most // 10) * 10, 20), 400)
    large = any(not source.look.whole for source in sources) or len(words) > _LARGE
    return [
        "[text]",
        "num_words = 5000 # the most frequent words are kept",
        f"max_length = {length} # 99 of 100 texts have at most {most} words; the longest has {words[-1]}",
        "",
        "[split]",
        *(['method = "hash" # needs no count of the rows'] if large else []),
        "test_size = 0.25",
        "seed = 1000",
    ]


def _search(sources: Sequence[Named]) -> list[str]:
    unequal = [
        source.name for source in sources
        if max(source.look.labels.values()) > _UNEQUAL * min(source.look.labels.values())
    ]  # fmt: skip
    weights = [
        "[train]",
        f'class_weights = "balanced" # labels of very different frequency in {", ".join(unequal)}',
        "",
    ]
    return [
        *(weights if unequal else []),
        "[search]",
        'architecture = "cnn" # logistic regression is always tried as well',
        'strategy = "random"',
        "candidates = 5",
        "folds = 4",
        "epochs = 10",
        "batch_size = 32",
        "[search.space]",
        "num_filters = [32, 64, 128]",
        "kernel_size = [3, 5]",
        "embedding_dim = [50]",
    ]


def _score(sources: Sequence[Named], warehouse: str, table: str | None) -> list[str]:
    if table is None:
        return [
            "# The table to score. Until there is one, the corpus itself: each row by the champion of its source.",
            "[score]",
            f"input = {_toml(f'{warehouse}/corpus')} # or: score_table --input TABLE",
            'id = "position"',
            'text = "text"',
            'source = "source"',
        ]
    from textclf.cli.tables import look_at_input

    found: Scorable = look_at_input(Path(table), [source.name for source in sources])
    lines = ["[score]", f"input = {_toml(table)}", f"id = {_toml(found.id)}", f"text = {_toml(found.text)}"]
    if found.source is not None:
        lines.append(f"source = {_toml(found.source)} # each row is scored by the champion of its source")
    else:
        lines.append(f"model = {_toml(sources[0].name)} # for all rows")
    return lines + ([f"date = {_toml(found.date)}"] if found.date is not None else [])


def _toml(value: Any) -> str:
    """A value of the pipeline file: a literal string where a pattern would need every backslash twice."""
    if isinstance(value, str) and "\\" in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    # JSON's strings, numbers and lists are TOML's, but for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
