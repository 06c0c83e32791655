"""Numbers in the pipeline file and in settings of models are within bounds, or give a clear error.

The keys are found in the model of the pipeline file, so that new keys are tested as well.
"""

import json
import math
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from annotated_types import Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from textclf.config import Distribution, Pipeline, config_digest, parse_pipeline
from textclf.config.base import Section
from textclf.errors import ConfigError, UsageError
from textclf.models import ARCHITECTURES
from textclf.training.settings import FitSettings

Path = tuple[str, ...]

GOOD = """
warehouse = "w"
[[sources]]
name = "s"
path = "p"
format = "jsonl"
"""
HUGE = 10**30
TRIED = {
    "huge": str(HUGE),
    "4,000 digits": "9" * 4000,
    "hexadecimal": f"0x{'f' * 5000}",
    "63 bits": str(2**63 - 1),
    "65 bits": str(2**64),
    "1e308": "1e308",
    "1e400": "1e400",
    "nan": "nan",
    "inf": "inf",
    "-inf": "-inf",
    "-1": "-1",
    "-huge": str(-HUGE),
    "0": "0",
    "true": "true",
    "text": '"5"',
    "1.5": "1.5",
}
NEVER = ("huge", "4,000 digits", "hexadecimal", "65 bits", "nan", "-inf", "-huge", "true", "text")
"""Values that no number key accepts, except for the keys below."""
UNBOUNDED_ON_PURPOSE: dict[Path, set[str]] = {
    **{
        ("gate", name): {"inf", "huge", "4,000 digits", "hexadecimal", "65 bits"}
        for name in ("max_psi", "max_psi_test")
    },
    **{
        ("nightly", name): {"inf", "huge", "4,000 digits", "hexadecimal", "65 bits"}
        for name in ("max_psi", "min_growth")
    },
    ("train", "learning_rate"): {"huge", "65 bits"},  # no limit suits every network; a fit that diverges reports it
}
"""Values that are allowed on purpose, by key, such as infinity where the manual defines it as "never"."""


def kinds(annotation: Any) -> Iterator[type]:
    """Yield the plain types in an annotation."""
    if typing.get_origin(annotation) is typing.Literal:
        return
    inner = typing.get_args(annotation)
    if inner and (not isinstance(annotation, type) or isinstance(annotation, types.GenericAlias)):
        for each in inner:
            yield from kinds(each)
    elif isinstance(annotation, type):
        yield annotation


def keys(section: type[BaseModel], place: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Yield the place and the field of each key below a section that may hold a number."""
    for name, field in section.model_fields.items():
        found = set(kinds(field.annotation))
        for each in found:
            if issubclass(each, Section) and each is not Distribution:
                yield from keys(each, (*place, field.alias or name))
        if found & {int, float} and str not in found - {int, float} | ({str} if name == "space" else set()):
            yield (*place, field.alias or name), field


def document(place: Path, value: str) -> str:
    """Return a pipeline file with a value at a place."""
    if place[0] == "sources":
        return f"{GOOD}{place[1]} = {value}\n"
    needed: dict[Path, str] = {
        ("train", "patience"): "validation_size = 0.2\n",
        ("upkeep", "retention_days"): "short_retention = true\n",
    }
    url = 'url = "https://h"\n' if place[0] == "lineage" else ""
    return f"{GOOD}[{'.'.join(place[:-1])}]\n{url}{needed.get(place, '')}{place[-1]} = {value}\n"


def attempt(text: str) -> Pipeline | str:
    """Return the pipeline of a file, or the message about its mistakes; any other error fails the test."""
    try:
        return parse_pipeline(text)
    except ConfigError as error:
        return str(error)


def value_at(pipeline: Pipeline, place: Path) -> Any:
    """Return the pipeline's value at a place."""
    found: Any = pipeline
    for part in place:
        found = getattr(found, part)
        found = found[0] if part == "sources" else found
    return found


KEYS = dict(keys(Pipeline))


def test_the_walk_finds_the_keys_of_numbers() -> None:
    assert {
        ("sources", "max_record_bytes"), ("text", "num_words"), ("search", "epochs"), ("search", "batch_size"),
        ("search", "nested"), ("mlflow", "timeout"), ("score", "since"), ("gate", "max_psi_test"), ("lock", "lease"),
        ("upkeep", "retention_days"), ("nightly", "pause"), ("metrics", "timeout"), ("train", "patience"),
    } <= KEYS.keys()  # fmt: skip


@pytest.mark.parametrize("place", KEYS, ids=".".join)
def test_a_number_is_in_bounds_or_a_mistake_that_names_its_key(place: Path) -> None:
    named = ".".join(place).replace("sources.", "sources[0].")
    for name, value in TRIED.items():
        found = attempt(document(place, value))
        if isinstance(found, str):
            # The message of a rule for a whole section names the section, then the key.
            assert named in found or all(part in found for part in place), (name, found)
            assert len(found) < 600, name
            continue
        allowed = UNBOUNDED_ON_PURPOSE.get(place, set())
        assert name not in NEVER or name in allowed, (name, place)
        given = value_at(found, place)
        for number in given if isinstance(given, tuple) else (given,):
            assert isinstance(number, float) or abs(number) < 2**63, name
            assert number != math.inf or "inf" in allowed, name
        json.dumps(found.model_dump(mode="json"))
        config_digest(found)


@pytest.mark.parametrize("value", TRIED.values(), ids=TRIED)
@pytest.mark.parametrize(
    "body",
    [
        "[search.sources.s]\nepochs = {}",
        "[search.sources.s]\nbatch_size = [{}]",
        "[search]\nbatch_size = [1, {}]",
        "[search.space]\nkernel_size = [{}]",
        "[search.spaces.cnn]\nkernel_size = [{}]",
        "[search.space]\nlearning_rate = {{low = {}, high = 1.0}}",
        "[search.space]\nlearning_rate = {{low = 0.1, high = {}}}",
        "[search.space]\nlearning_rate = {{low = -1e308, high = {}, log = false}}",
        "[search.sources.s.space]\nkernel_size = [{}]",
    ],
)
def test_numbers_in_lists_and_ranges_are_in_bounds_or_a_mistake(body: str, value: str) -> None:
    found = attempt(f"{GOOD}{body.format(value)}\n")
    if isinstance(found, str):
        assert "search" in found
        assert len(found) < 600
        return
    plan = found.search.plan("s")
    json.dumps(plan.model_dump(mode="json"))
    for space in (plan.space, *plan.spaces.values()):
        for allowed in space.values():
            if isinstance(allowed, Distribution):
                assert math.isfinite(allowed.high - allowed.low)
                continue
            for each in allowed:
                assert isinstance(each, str) or math.isfinite(each)
                assert not isinstance(each, int) or abs(each) < 2**63


SETTINGS: list[type[BaseModel]] = [FitSettings, *(made.hyperparameters for made in ARCHITECTURES.values())]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: each.__name__)
def test_whole_numbers_of_fits_and_models_have_an_upper_bound(settings: type[BaseModel]) -> None:
    for name, field in settings.model_fields.items():
        if int not in set(kinds(field.annotation)) or name == "batch_size":
            continue
        bounds = [bound for bound in field.metadata if isinstance(bound, Le | Lt)]
        inner = [bound for bound in getattr(field.annotation, "__args__", ()) if hasattr(bound, "__metadata__")]
        assert bounds or inner, name
        for value in (HUGE, str(HUGE), "9" * 4000, math.inf, math.nan):
            given = {"epochs": 1, "batch_size": 1, "seed": 1} if settings is FitSettings else {}
            with pytest.raises(ValidationError):
                settings.model_validate({**given, name: value})


def test_a_hyperparameter_beyond_its_bounds_is_a_mistake_with_a_message() -> None:
    for made in ARCHITECTURES.values():
        for key in made.hyperparameters.model_fields:
            for value in (float("nan"), float("inf"), -HUGE, "-" + "9" * 5000):
                with pytest.raises(UsageError, match=r"refuses its hyperparameters"):
                    made.parse({key: value} if not isinstance(value, str) or key != "pretrained" else {key: 5})
