"""Read a pipeline file: expand environment variables, validate it, and list every mistake in one error."""

import difflib
import os
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from textclf.common.digests import json_digest
from textclf.common.secrets import masked, remember, remember_credentials
from textclf.config.pipeline import Pipeline
from textclf.config.received import received
from textclf.errors import ConfigError

_DOLLAR = "${$}"
"""Escape for ``$`` in text that would otherwise be a variable; files from before this escape do not contain it."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*|\$)\}")


def load_pipeline(path: str | Path, environ: Mapping[str, str] = os.environ) -> Pipeline:
    """Read and validate the pipeline file at ``path``.

    ``${NAME}`` in any string is replaced by the environment variable of that name, ``${$}`` by ``$``: ``${$}{NAME}``
    is the text ``${NAME}``. A relative warehouse, models folder or source path is relative to the current directory,
    as on any command line.

    Args:
        path: Path of the file, TOML in UTF-8.
        environ: Values of ``${NAME}`` by name; by default the environment of the process.

    Returns:
        Validated pipeline: ``warehouse``, ``sources`` and a section for each step, with their defaults.

    Raises:
        ConfigError: The file cannot be read, is not TOML or has mistakes; the message lists all of them.

    Example:
        >>> from textclf import load_pipeline
        >>> pipeline = load_pipeline(config)
        >>> [source.name for source in pipeline.sources], pipeline.text.num_words
        (['reviews'], 5000)
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")  # editors on Windows add a byte order mark
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or U+0000 in the path
        raise ConfigError(
            f"The pipeline file {path} cannot be read.",
            received=error,
            expected="a readable TOML file in UTF-8",
            fix="check the path given with --config",
        ) from error
    return parse_pipeline(text, environ, name=str(path))


def parse_pipeline(text: str, environ: Mapping[str, str] = os.environ, *, name: str = "<text>") -> Pipeline:
    """Parse and validate the text of a pipeline file; see ``load_pipeline``."""
    mistakes: list[str] = []
    try:
        raw = tomllib.loads(text)
        expanded = _expand(raw, environ, (), mistakes)
    except (ValueError, RecursionError) as error:  # not TOML, a number of thousands of digits, hundreds of brackets
        raise ConfigError(f"The pipeline file {name} is not TOML.", received=error, expected="valid TOML") from error
    try:
        pipeline = Pipeline.model_validate(expanded)
    except ValidationError as error:
        mistakes += [_describe(mistake, raw) for mistake in error.errors(include_url=False)]
    if mistakes:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        raise ConfigError(
            "\n".join([f"The pipeline file {name} has {count}:", *(f"- {masked(line)}" for line in mistakes)])
        )
    return pipeline


def config_digest(pipeline: Pipeline) -> str:
    """Return the SHA-256, in hexadecimal, of the validated pipeline file, with ``${NAME}`` in place of its value.

    A digest of the values themselves would let short secrets be guessed.
    """
    return json_digest(masked(pipeline.model_dump(mode="json", by_alias=True)))


def literal(text: str) -> str:
    """Escape a text for a pipeline file, so that no part of it is read as a variable.

    Example:
        >>> literal("${HOME}, 5 $ and ${1}")
        '${$}{HOME}, 5 $ and ${1}'
    """
    return _VARIABLE.sub(lambda found: _DOLLAR + found[0][1:], text)


def _expand(value: Any, environ: Mapping[str, str], place: tuple[str | int, ...], mistakes: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, environ, (*place, key), mistakes) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, environ, (*place, index), mistakes) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match[0] == _DOLLAR:
            return "$"
        if match[1] in environ and _is_text(environ[match[1]]):
            remember(match[1], environ[match[1]])
            return environ[match[1]]
        if match[1] in environ:
            mistakes.append(f"{_key(place)}: the environment variable {match[1]} has bytes that are not UTF-8")
            return match[0]
        mistakes.append(
            f"{_key(place)}: the environment variable {match[1]} is not set; set it before this command: "
            f"export {match[1]}=..."
        )
        return match[0]

    expanded = _VARIABLE.sub(replace, value)
    remember_credentials(expanded)
    return expanded


def _key(place: tuple[str | int, ...]) -> str:
    """Format a key's path, for example ``("sources", 0, "name")`` as ``sources[0].name``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in place]
    return "".join(parts).removeprefix(".") or "(whole file)"


def _describe(mistake: Any, raw: Any) -> str:
    place, kind, context = mistake["loc"], mistake["type"], mistake.get("ctx", {})
    key = _key(place)
    if kind == "extra_forbidden":
        known = sorted(_known_keys(Pipeline, place[:-1]))
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    if kind == "missing":
        return f"{key}: missing; expected {_wanted(place)}"
    shown = received(_as_written(raw, place, mistake["input"]))
    if kind == "value_error":
        # The message of a validator of a whole section already contains what was received.
        given, message = mistake["input"], str(context["error"])
        sections = given if isinstance(given, list) else [given]
        whole = any(isinstance(section, dict) for section in sections)
        return f"{key}: {message}" if whole else f"{key}: received {shown}; {message}"
    expected = str(context.get("expected") or mistake["msg"].removeprefix("Input should be ")).removeprefix("a valid ")
    if kind == "string_pattern_mismatch":
        expected = f"a text that matches {context['pattern']}"
    return f"{key}: received {shown}; expected {expected}"


def _as_written(raw: Any, place: tuple[str | int, ...], given: Any) -> Any:
    """Return a value as the file has it, before variables are expanded; masked if the file has it in another form."""
    found = raw
    for part in place:
        try:
            found = found[part]
        except (LookupError, TypeError):
            return masked(given)
    return found if type(found) is type(given) else masked(given)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wanted(place: tuple[str | int, ...]) -> str:
    section = _section(Pipeline, place[:-1])
    field = section.model_fields.get(str(place[-1])) if section else None
    choices = typing.get_args(field.annotation) if field else ()
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"one of {', '.join(choices)}"
    if field and typing.get_origin(field.annotation) is list and _model_in(field.annotation):
        return f"a section [[{_key(place)}]]"
    return "a value"


def _known_keys(root: type[BaseModel], place: tuple[str | int, ...]) -> Iterator[str]:
    section = _section(root, place)
    if section:
        for name, field in section.model_fields.items():
            yield field.alias or name


def _section(root: type[BaseModel], place: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the model class that validates the section at ``place``."""
    current: type[BaseModel] | None = root
    for part in place:
        if current is None or isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        current = _model_in(field.annotation) if field else None
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, BaseModel)
    ):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
