"""The ways to turn an artifact into a scorer: a new one is a file in this folder and a line here."""

from collections.abc import Callable

from textclf.artifact import Artifact
from textclf.errors import UsageError
from textclf.scoring.scorer import Scorer, make_scorer

Backend = Callable[[Artifact], Scorer]

BACKENDS: dict[str, Backend] = {
    "auto": make_scorer,
    "keras": make_scorer,
}


def backend_named(name: str) -> Backend:
    """The backend of that name.

    Raises:
        UsageError: This release has none.
    """
    if name not in BACKENDS:
        raise UsageError(
            "This release has no such scoring backend.",
            received=name,
            expected=f"one of: {', '.join(BACKENDS)}",
            fix="leave out --backend and [score] backend, or name one of those",
        )
    return BACKENDS[name]
