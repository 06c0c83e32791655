"""Every format of the package, and the checks of its keys in the pipeline file."""

import re
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import ValidationError

from textclf.common.discovery import named_classes
from textclf.config import Source
from textclf.formats import FORMATS, LineFormat, SourceFormat

ROOT = Path(__file__).parents[2]
NEEDED: dict[str, dict[str, object]] = {
    "tsv": {"columns": ["text", "label"]},
    "csv": {"columns": ["text", "label"]},
    "text": {"pattern": "(?P<label>.) (?P<text>.*)"},
}
GIVEN: dict[str, object] = {
    "columns": ["text", "label"],
    "header": True,
    "quoting": True,
    "delimiter": ";",
    "escape": "\\",
    "pattern": "(?P<label>.) (?P<text>.*)",
    "partition_types": "text",
    "recursive": False,
}


def source(name: str, **keys: object) -> Source:
    given: dict[str, object] = {"name": "s", "path": "p", "format": name}
    return Source.model_validate(given | NEEDED.get(name, {}) | keys)


def test_the_formats_of_earlier_releases_are_there() -> None:
    assert {"tsv", "csv", "jsonl", "text", "parquet", "delta"} <= set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_a_name_for_the_pipeline_file_and_keys_that_a_source_has(name: str) -> None:
    made = FORMATS[name]
    assert re.fullmatch("[a-z][a-z0-9_]*", name)
    assert made.keys <= set(Source.model_fields)
    assert made.columnar != isinstance(made, LineFormat)
    assert source(name).format == name


@pytest.mark.parametrize("key", GIVEN)
@pytest.mark.parametrize("name", FORMATS)
def test_a_key_of_other_formats_is_refused_and_an_own_one_is_not(name: str, key: str) -> None:
    made = FORMATS[name]
    owned = made.files if key == "recursive" else key in made.keys
    needed: dict[str, object] = {"quoting": True} if key == "escape" and owned else {}
    if owned:
        assert getattr(source(name, **needed | {key: GIVEN[key]}), key) == GIVEN[key]
    else:
        with pytest.raises(ValidationError, match=rf"{key} is for .*{name}"):
            source(name, **{key: GIVEN[key]})


def test_another_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError) as error:
        source("xml")
    assert all(f"'{name}'" in str(error.value) for name in FORMATS)


def test_two_classes_of_one_name_are_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "twice"
    package.mkdir()
    (package / "__init__.py").write_text("")
    code = 'from textclf.formats import SourceFormat\nclass One(SourceFormat):\n    name = "one"\n'
    (package / "a.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    module: ModuleType = __import__("twice")
    assert list(named_classes(module, SourceFormat)) == ["one"]
    (package / "b.py").write_text(code)
    with pytest.raises(TypeError, match=r"twice\.a and twice\.b both define 'one'"):
        named_classes(module, SourceFormat)
