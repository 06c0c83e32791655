"""Write a commented pipeline file for sources that were inspected.

Names, labels and paths come from untrusted data. Values pass through a TOML writer and are literal; comments pass
through one function. So no part of them can become a key, a section or the value of an environment variable.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.items import Item, Table

from textclf.cli.output import cell
from textclf.common.terminal import toml_text, visible
from textclf.config.load import literal
from textclf.errors import InputError

if TYPE_CHECKING:
    from textclf.cli.sniff.files import Look
    from textclf.cli.sniff.tables import Scorable

_LARGE = 1_000_000  # above this number of rows the split uses digests, which need no count
_UNEQUAL = 4  # largest ratio of the most frequent label to the rarest without class weights


@dataclass(frozen=True)
class Named:
    """A source with the name and path that it gets in the pipeline file."""

    name: str
    path: str
    look: "Look"


def pipeline_text(sources: Sequence[Named], left_out: Mapping[str, str], warehouse: str, score: str | None) -> str:
    """Return the text of a commented pipeline file.

    Args:
        sources: Sources that were inspected.
        left_out: Reason for each file that was left out, by path.
        warehouse: Folder or URL of tables and models.
        score: Table to score; None for the corpus.

    Raises:
        InputError: The table to score cannot be used, or a name is not valid Unicode text.
    """
    made = tomlkit.document()
    _comment(made, "Written by `textclf init`, which inspected the data; docs/manual/pipeline-file.md lists every key.")
    _add(made, "warehouse", warehouse, "folder or URL of tables and models")
    made.add(tomlkit.nl())
    if left_out:
        _comment(made, "Left out, because no labelled texts were found in them:")
        for path, reason in left_out.items():
            _comment(made, f"{path}: {reason}")
        made.add(tomlkit.nl())
    tables = tomlkit.aot()
    for source in sources:
        tables.append(_source(source))
    made.add("sources", tables)
    sections = {"text": _text(sources), "split": _split(sources), "train": _train(sources), "search": _search()}
    for name, section in sections.items():
        if section is not None:
            made.add(name, section)
    made.add("score", _corpus(warehouse) if score is None else _score(sources, score))
    # One blank line between sections: the TOML writer adds some of its own.
    return re.sub(r"\n{3,}", "\n\n", tomlkit.dumps(made)).rstrip("\n") + "\n"


def is_text(name: str) -> bool:
    """Return whether a name is valid Unicode: a file's name may be any bytes, and JSON allows lone surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _source(source: Named) -> Table:
    look, made = source.look, tomlkit.table()
    part = "" if look.whole else "the beginning: "
    common = ", ".join(f"{cell(label)} {count:,}" for label, count in look.labels.most_common(5))
    more = f" and {len(look.labels) - 5} more" if len(look.labels) > 5 else ""
    _comment(made, f"{part}{len(look.texts):,} labelled texts; labels: {common}{more}")
    if look.refused:
        _comment(made, f"{look.refused:,} other records, which ingest_corpus will reject with a reason")
    for note in look.notes:
        _comment(made, note)
    for key, value in {"name": source.name, "path": source.path, **look.keys}.items():
        _add(made, key, value)
    if look.label_set is not None:
        _add(made, "labels", list(look.label_set), "records with another label are rejected")
    return _ended(made)


def _words(sources: Sequence[Named]) -> list[int]:
    return sorted(len(text.split()) for source in sources for text in source.look.texts)


def _text(sources: Sequence[Named]) -> Table:
    words = _words(sources)
    most = words[int(0.99 * (len(words) - 1))]
    length = min(max(-(-most // 10) * 10, 20), 400)
    made = tomlkit.table()
    _add(made, "num_words", 5000, "the most frequent words are kept")
    _add(made, "max_length", length, f"99 of 100 texts have at most {most} words; the longest has {words[-1]}")
    return _ended(made)


def _split(sources: Sequence[Named]) -> Table:
    made = tomlkit.table()
    if any(not source.look.whole for source in sources) or len(_words(sources)) > _LARGE:
        _add(made, "method", "hash", "does not need the number of rows")
    _add(made, "test_size", 0.25)
    _add(made, "seed", 1000)
    return _ended(made)


def _train(sources: Sequence[Named]) -> Table | None:
    unequal = [
        source.name for source in sources
        if max(source.look.labels.values()) > _UNEQUAL * min(source.look.labels.values())
    ]  # fmt: skip
    if not unequal:
        return None
    made = tomlkit.table()
    _add(made, "class_weights", "balanced", f"label frequencies differ a lot in {', '.join(unequal)}")
    return _ended(made)


def _search() -> Table:
    made, space = tomlkit.table(), tomlkit.table()
    _add(made, "architecture", "cnn", "logistic regression is always tried as well")
    for key, value in {"strategy": "random", "candidates": 5, "folds": 4, "epochs": 10, "batch_size": 32}.items():
        _add(made, key, value)
    for name, values in {"num_filters": [32, 64, 128], "kernel_size": [3, 5], "embedding_dim": [50]}.items():
        _add(space, name, values)
    made.add("space", _ended(space))
    return made


def _corpus(warehouse: str) -> Table:
    made = tomlkit.table()
    _comment(made, "The table to score. For now the corpus itself: each row is scored by the champion of its source.")
    _add(made, "input", f"{warehouse}/corpus", "or: score_table --input TABLE")
    for key, value in {"id": "position", "text": "text", "source": "source"}.items():
        _add(made, key, value)
    return made


def _score(sources: Sequence[Named], table: str) -> Table:
    from textclf.cli.sniff.tables import look_at_input

    found: Scorable = look_at_input(Path(table), [source.name for source in sources])
    made = tomlkit.table()
    for key, value in {"input": table, "id": found.id, "text": found.text}.items():
        _add(made, key, value)
    if found.source is not None:
        _add(made, "source", found.source, "each row is scored by the champion of its source")
    else:
        _add(made, "model", sources[0].name, "for all rows")
    if found.date is not None:
        _add(made, "date", found.date)
    return made


def _add(made: Any, key: str, value: Any, comment: str | None = None) -> None:
    item = _item(value)
    if comment is not None:
        item.comment(visible(comment))
    made.add(key, item)


def _comment(made: Any, text: str) -> None:
    """Add a comment that stays on one line, whatever the text contains."""
    made.add(tomlkit.comment(visible(text)))


def _ended(made: Table) -> Table:
    made.add(tomlkit.nl())
    return made


def _item(value: Any) -> Item:
    """Return a TOML value; a pattern becomes a literal string, so that its backslashes need not be doubled."""
    if isinstance(value, list):
        array = tomlkit.array()
        for each in value:
            array.append(_item(each))
        return array
    if not isinstance(value, str):
        plain: Item = tomlkit.item(value)
        return plain
    if not is_text(value):
        raise InputError(
            "A name or label is not valid Unicode, so a pipeline file cannot hold it.",
            received=ascii(value),
            expected="Unicode text without lone surrogates",
            fix="rename it, or leave its file out",
        )
    text = literal(value)
    if "\\" in text and "'" not in text and text.isprintable():
        return tomlkit.string(text, literal=True)
    # TOML allows bidirectional marks and the like unescaped, but editors would show the file in another order.
    made: Item = tomlkit.value(toml_text(tomlkit.item(text).as_string()))
    return made
