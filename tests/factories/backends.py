"""Scoring backends that record their calls."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from textclf.artifact import Artifact
from textclf.inference.scorer import Scorer, make_scorer


def counting(folder: Path, fail_on: str | None = None) -> Callable[[Artifact], Scorer]:
    """Return a backend that writes one line per model built and per text scored, with the process ID of each build."""
    builds, texts = folder / "builds", folder / "texts"
    builds.touch()
    texts.touch()

    def backend(artifact: Artifact) -> Scorer:
        inner = make_scorer(artifact)
        with builds.open("a") as file:
            file.write(f"{os.getpid()}\n")

        def score(batch: pa.Array) -> Any:
            if fail_on is not None and fail_on in batch.to_pylist():
                raise OSError("the middle of the pass")  # an error that no row causes
            with texts.open("a") as file:
                file.write("\n" * len(batch))
            return inner.score(batch)

        return SimpleNamespace(score=score)

    backend.__qualname__ += str(folder)  # workers outlive a test and cache models by backend
    return backend


def lines(path: Path) -> list[str]:
    """Return the lines of a file."""
    return path.read_text().splitlines()
