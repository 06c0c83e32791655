"""Digests of plain values never change, because tables, caches and artifacts store them."""

from datetime import date
from typing import Any

import pytest

from textclf.common.digests import json_digest
from textclf.config import config_digest, parse_pipeline

DAY = date(2026, 1, 5)


PLAIN: Any = {"b": [1, 0.5, None], "a": "é"}
DATED: Any = ["f", DAY, {"b": DAY, "a": True}]


@pytest.mark.parametrize(("value", "spelling", "expected"), [
    (PLAIN, {}, "17fe59bcc714f0bcb6943ace563994918c25efe04aebea9d25afe9f93c687aeb"),
    (PLAIN, {"sort_keys": True}, "97f0d07083dc05c4b0b52421dae08357dc62e1fe935fdf340bba2f6242700bf6"),
    (DATED, {"default": str}, "88015a3476a6609cee4bf313d9bf1ef44a3bcaa71cf50228b71dca0dd71c0898"),
    (DATED, {"default": str, "sort_keys": True}, "44c9fe43e22cfee8bb3fed901f209ab157baa4ece053eaca675a9a9098b3b7ee"),
])  # fmt: skip
def test_digests_of_earlier_releases_are_still_those_of_the_same_values(
    value: Any, spelling: dict[str, Any], expected: str
) -> None:
    assert json_digest(value, **spelling) == expected


def test_the_digest_of_a_pipeline_file_is_that_of_earlier_releases() -> None:
    body = 'warehouse = "w"\n[[sources]]\nname = "s"\npath = "${FOLDER}/é"\nformat = "jsonl"\n'
    digest = config_digest(parse_pipeline(body, {"FOLDER": "/secret"}))
    assert digest == "5a4d83281f6bfb47a17e94a386a77a5ff5ad83f6e0edb05422f34c6c2732390d"


def test_a_value_that_json_cannot_write_has_no_digest_in_silence() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json_digest([DAY])
