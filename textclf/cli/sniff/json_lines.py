"""Inspect JSON lines: which keys hold text and label, and how to convert JSON that is not one object per line."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from textclf.cli.pipeline_file import is_text
from textclf.cli.sniff.columns import Column, choices
from textclf.cli.sniff.sample import Asked, Reading, Sample, thinned, unlike
from textclf.cli.sniff.values import value_text
from textclf.common.terminal import json_text

_SHOWN = 80
_BEGINS = re.compile(r"\s*\{\s*(\"|\}|$)")
_DEEPEST = 8


def is_json(lines: Sequence[str]) -> bool:
    """Return whether lines look like JSON: most begin an object, or the first begins one over several lines."""
    first = lines[:200]
    return sum(_BEGINS.match(line) is not None for line in first) * 2 > len(first) or first[0].strip() == "{"


def json_readings(sample: Sample, encoding: str, asked: Asked, place: Path) -> list[Reading]:
    """Return the ways to read JSON lines.

    Raises:
        NotLabelledError: The lines are not one object each, or have no text or label at the top level. The message
            says how to convert them.
    """
    lines = thinned(sample.lines(encoding))
    values = [value for value in map(_object, lines) if value is not None]
    if len(values) * 2 < len(lines):
        raise unlike(place, "JSON without one object per line: convert it, for example: jq -c . FILE > NEW")
    if len(values) == 1 and len(sample.lines(encoding)) == 1 and all(isinstance(v, dict) for v in values[0].values()):
        fix = "with pandas: to_json(orient='records', lines=True)"
        raise unlike(place, f"one JSON object of columns: write one object per line; {fix}")
    names = [name for name, _ in Counter(name for value in values for name in value).most_common()]
    columns = [Column(name, [scalar(value.get(name)) for value in values] if is_text(name) else []) for name in names]
    found = choices(columns, asked)
    if not found:
        raise unlike(place, _why_not(values))
    common = {"format": "jsonl"} | ({} if encoding == "utf-8" else {"encoding": encoding})
    return [Reading(common | {"text": names[each.text], "label": names[each.label]}, each.notes) for each in found]


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def scalar(value: object) -> str | None:
    """Return a string or number as text; None for any other value."""
    return value_text(value) if isinstance(value, str | int | float) else None


def _why_not(values: Sequence[dict[str, Any]]) -> str:
    """Say why no text and label were found, and give a jq command if they are nested."""
    nested = [(name, value) for name, value in values[0].items() if isinstance(value, dict | list)]
    if not nested:
        return f"JSON without a usable text and label: {_cut(values[0])}"
    flat = [dict(_paths(value)) for value in values]
    names = list(dict.fromkeys(name for each in flat for name in each))
    # The last part of a path is its name: .data.text is called text.
    columns = [Column(_last(name), [each.get(name) for each in flat]) for name in names]
    found = choices(columns)
    name, value = nested[0]
    if len(values) == 1 and isinstance(value, list) and value and isinstance(value[0], dict):
        path = next(iter(_paths({name: 0})))[0]
        return f"one JSON object with all records: write one per line, for example: jq -c '{path}[]' FILE > NEW"
    said = f"JSON without a usable text and label at its top level: {_cut(name)} holds {_cut(value)}"
    if not found:
        return said
    text, label = names[found[0].text], names[found[0].label]
    return f"{said}; move them there, for example: jq -c '{{text: {text}, label: {label}}}' FILE > NEW"


def _paths(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield all strings and numbers inside a value, with their paths in jq's syntax."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)
            yield from _paths(inner, f"{path}.{name}" if plain else f"{path or '.'}[{_quoted(name)}]", depth + 1)
    elif isinstance(value, list):
        if value:
            yield from _paths(value[0], f"{path}[0]", depth + 1)
    elif (text := scalar(value)) is not None:
        yield path, text


def _quoted(name: str) -> str:
    return json.dumps(name).replace("'", "\\u0027")


def _last(path: str) -> str:
    names = re.findall(r"\.(\w+)|\[\"(.*?)\"\]", path)
    last = names[-1][0] or names[-1][1] if names else path
    return "label" if last == "choices" else last  # Label Studio's name for labels


def _cut(value: Any) -> str:
    text = json_text(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
