"""One rule makes the digests of all sections that a pipeline file can hold."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from textclf.config import Pipeline
from textclf.config.base import Section
from textclf.config.identity import ALWAYS, identity, stored_json
from textclf.config.operations import Lineage, Metrics, Nightly
from textclf.config.pipeline import Mlflow

LATER = {
    "Source": {"escape", "recursive", "partition_types", "max_rejects"},
    "Pipeline": {"ingest"},
    "Ingest": {"max_rejects", "warn_below"},
    "Score": {"max_sources", "recursive", "partition_types"},
}
"""Keys that were added after digests were first stored; a new key is listed here and nowhere else."""


def reachable(kind: Any, seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield the sections in a type and in their fields."""
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
        seen.add(kind)
        yield kind
        for field in kind.model_fields.values():
            yield from reachable(field.annotation, seen)
    for part in get_args(kind):
        yield from reachable(part, seen)


SECTIONS = list(reachable(Pipeline, set()))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda kind: kind.__name__)
def test_each_section_has_a_line_and_a_later_key_is_in_no_digest_unless_it_is_said(section: type[BaseModel]) -> None:
    assert section in ALWAYS, "a new section begins with the keys that it has now"
    assert set(section.model_fields) - set(ALWAYS[section]) == LATER.get(section.__name__, set())
    assert set(ALWAYS[section]) <= set(section.model_fields)


@pytest.mark.parametrize(
    "value", [Nightly(), Metrics(pushgateway="http://h"), Lineage(url="http://h"), Mlflow(), Pipeline.model_validate(
        {"warehouse": "w", "sources": [{"name": "s", "path": "p", "format": "jsonl"}], "mlflow": {}}
    )],
)  # fmt: skip
def test_both_forms_of_an_identity_hold_the_same_keys(value: BaseModel) -> None:
    assert identity(value) == json.loads(stored_json(value))


def test_a_section_without_a_line_stays_whole_in_both() -> None:
    class Later(Section):
        key: int = 1

    class Outer(Section):
        later: Later = Later()

    assert identity(Outer()) == json.loads(stored_json(Outer())) == {"later": {"key": 1}}
