"""Which models score rows a second time, beside their champions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from textclf.artifact import Artifact, ModelStore
from textclf.artifact.store import parse_reference
from textclf.config import Score
from textclf.errors import UsageError
from textclf.scoring.routing import Routes

NEWEST = "newest"
"""Instead of a model: the newest version of each champion's name, where that is another one."""

ALL = ""
"""The key of all rows whose key is not named; no source is an empty text."""

Asked = Mapping[str, str]
"""References, or ``NEWEST``, by the key of the rows."""


def asked_challengers(given: Sequence[str], score: Score, model: str | None) -> Asked:
    """What the command line asks for, else the pipeline file.

    ``--model`` scores with that model alone: the file's challenger was meant for the file's models.

    Args:
        given: Each ``REFERENCE`` or ``SOURCE=REFERENCE``.

    Raises:
        UsageError: Two challengers for the same rows.
    """
    if not given:
        kept = score.challenger if model is None else None
        return kept if isinstance(kept, dict) else {} if kept is None else {ALL: kept}
    found: dict[str, str] = {}
    for word in given:
        key, _, reference = word.rpartition("=")
        if key in found:
            raise UsageError(
                "Rows have one challenger at most.",
                received=f"--challenger {word} after {found[key]}",
                expected="one for all rows, and one for each source that is named",
            )
        found[key] = reference
    return found


def with_challengers(store: ModelStore, routes: Routes, asked: Asked) -> Routes:
    """The routes with the challengers that are asked for.

    A champion is not challenged by itself: ``NEWEST`` and a model for all rows leave such keys out.

    Raises:
        UsageError: A challenger of rows that no champion scores, or every one asked for is the champion itself.
        InputError: There is no such model, or it is damaged.
    """
    unknown = sorted(asked.keys() - {ALL} - routes.artifacts.keys())
    if unknown:
        raise UsageError(
            "A challenger has no champion to score beside.",
            received=", ".join(f"{key}={asked[key]}" for key in unknown),
            expected=f"one of: {', '.join(routes.artifacts)}",
            fix="name a source whose model scores rows of this run, or give the challenger alone, for all rows",
        )
    loaded: dict[str, Artifact] = {}
    found: dict[str, Artifact] = {}
    for key, champion in routes.artifacts.items():
        reference = asked.get(key, asked.get(ALL))
        if reference == NEWEST:
            reference = _newest(store, champion)
        if reference is not None:
            if reference not in loaded:
                loaded[reference] = store.load(*parse_reference(reference))
            if loaded[reference].digest != champion.digest:
                found[key] = loaded[reference]
    if not found and any(reference != NEWEST for reference in asked.values()):
        raise UsageError(
            "The challenger is the champion itself.",
            received=", ".join(asked.values()),
            expected=f"another model or version than {', '.join(each.reference for each in routes.artifacts.values())}",
            fix="name a version, as in --challenger NAME@VERSION; textclf models list shows them",
        )
    return replace(routes, challengers=found)


def _newest(store: ModelStore, champion: Artifact) -> str | None:
    """Reference of the newest version of a model; None where it is in use already."""
    name = champion.manifest.name
    version = store.versions(name)[-1]
    return f"{name}@{version}" if version != champion.manifest.version else None
