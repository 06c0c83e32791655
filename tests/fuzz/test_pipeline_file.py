"""Any pipeline file gives a pipeline or a list of mistakes."""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import FUZZ
from textclf.config import Pipeline, config_digest, load_pipeline, parse_pipeline
from textclf.errors import ConfigError

WHOLE: dict[str, Any] = {
    "warehouse": "w",
    "sources": [{"name": "s", "path": "p", "format": "csv", "columns": ["text", "label"]}],
    "text": {"num_words": 100},
    "search": {"space": {"num_filters": [32, 64]}, "sources": {"s": {"epochs": 3}}},
    "score": {"input": "x", "since": "last"},
    "gate": {"max_psi": 0.3},
}
ODD = st.sampled_from(
    [float("nan"), float("inf"), -1, 0, 2**63, 2**70, "", "\0", "`", "${", "${X}", "../..", "a" * 300]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | ODD
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted({*Pipeline.model_fields, "schema", "name", "path", "format", "pattern", "space", "labels", "date"})


def toml(value: Any) -> str:
    """Return a value as inline TOML; TOML has no null, so None gives a syntax error."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower()


def document(root: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in root.items())


@st.composite
def altered(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the whole pipeline with one to three values inserted anywhere."""
    root: dict[str, Any] = json.loads(json.dumps(WHOLE))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = root
        while True:
            inner = place if isinstance(place, dict) else dict(enumerate(place))
            deeper = [key for key, item in inner.items() if isinstance(item, dict | list) and item]
            if not deeper or draw(st.booleans()):
                break
            place = inner[draw(st.sampled_from(sorted(deeper, key=str)))]
        if isinstance(place, list):
            place[draw(st.integers(0, len(place) - 1))] = draw(VALUES)
        else:
            place[draw(st.sampled_from([*sorted(place), *KEYS]) | st.text(max_size=8))] = draw(VALUES)
    return root


def test_the_whole_pipeline_is_one() -> None:
    assert parse_pipeline(document(WHOLE)).score.since == "last"


@FUZZ
@given(altered())
def test_any_values_anywhere(root: dict[str, Any]) -> None:
    with contextlib.suppress(ConfigError):  # any other exception fails the test
        config_digest(parse_pipeline(document(root), {"X": "x"}))


@FUZZ
@given(st.binary(max_size=300), st.integers(0, 200))
def test_any_bytes(noise: bytes, at: int) -> None:
    good = document(WHOLE).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pipeline.toml")
        for data in (noise, good[:at] + noise + good[at:], good[:at]):
            path.write_bytes(data)
            with contextlib.suppress(ConfigError):
                load_pipeline(path)
        assert [each.name for each in Path(folder).iterdir()] == ["pipeline.toml"]
