"""Challengers: models that score rows a second time, beside their champions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from textclf.artifact import Artifact, ModelStore
from textclf.artifact.store import parse_reference
from textclf.config import Score
from textclf.errors import UsageError
from textclf.scoring.routing import Routes

NEWEST = "newest"
"""Asks for the newest version of each champion's model, where that is not the champion itself."""

ALL = ""
"""Key that stands for all rows whose key is not named; a source is never an empty string."""

Asked = Mapping[str, str]
"""References, or ``NEWEST``, by the key of the rows."""


def asked_challengers(given: Sequence[str], score: Score, model: str | None) -> Asked:
    """Return the challengers of the command line, or else those of the pipeline file.

    With ``--model``, the pipeline file's challenger is ignored: it was meant for the file's models.

    Args:
        given: Challengers of the command line, each ``REFERENCE`` or ``SOURCE=REFERENCE``.

    Raises:
        UsageError: Two challengers are given for the same rows.
    """
    if not given:
        kept = score.challenger if model is None else None
        return kept if isinstance(kept, dict) else {} if kept is None else {ALL: kept}
    found: dict[str, str] = {}
    for word in given:
        key, _, reference = word.rpartition("=")
        if key in found:
            raise UsageError(
                "Two challengers are given for the same rows.",
                received=f"--challenger {word} after {found[key]}",
                expected="at most one challenger for all rows, and at most one for each source",
            )
        found[key] = reference
    return found


def with_challengers(store: ModelStore, routes: Routes, asked: Asked) -> Routes:
    """Add the requested challengers to the routes.

    A model does not challenge itself: ``NEWEST`` and a model for all rows leave out the keys of which it is the
    champion.

    Raises:
        UsageError: A challenger is asked for rows without a champion, or every challenger is the champion itself.
        InputError: A model does not exist or is damaged.
    """
    unknown = sorted(asked.keys() - {ALL} - routes.artifacts.keys())
    if unknown:
        raise UsageError(
            "A challenger has no champion to score beside.",
            received=", ".join(f"{key}={asked[key]}" for key in unknown),
            expected=f"one of: {', '.join(routes.artifacts)}",
            fix="name a source that a model of this run scores, or give the challenger without a source, for all rows",
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
            expected=f"a model or version other than {', '.join(each.reference for each in routes.artifacts.values())}",
            fix="name a version, as in --challenger NAME@VERSION; textclf models list shows them",
        )
    return replace(routes, challengers=found)


def _newest(store: ModelStore, champion: Artifact) -> str | None:
    """Reference of the newest version of a model; None if that is the champion already."""
    name = champion.manifest.name
    version = store.versions(name)[-1]
    return f"{name}@{version}" if version != champion.manifest.version else None
