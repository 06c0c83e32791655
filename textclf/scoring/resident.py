"""The models of a worker process: brought when a row needs one, built once, checked before they score anything."""

import fcntl
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import SparkFiles
from pyspark.sql import SparkSession

from textclf.artifact import Artifact, Golden
from textclf.scoring.backends import BACKENDS, Backend, Choice
from textclf.scoring.compiled import CompiledScorer
from textclf.scoring.fold import fold
from textclf.scoring.folded import Folded
from textclf.scoring.golden import TOLERANCE, check_golden
from textclf.scoring.scorer import Scorer
from textclf.session.gpu import task_gpu
from textclf.text.jit import bring_code, kept_code, numba_runs, private_folder

_KERNELS = ("textclf.text.kernels", "textclf.scoring.kernels")
_scorers: dict[tuple[str, str], Scorer] = {}  # of this worker process; Spark reuses it for task after task


@dataclass(frozen=True)
class Resident:
    """A model as executors get it.

    Attributes:
        number: What a worker gives back instead of the model's names and digest.
        held: Broadcast of the artifact: a worker loads it when it must build the scorer, not before.
        tolerance: Of scores against the golden ones.
    """

    number: int
    reference: str
    digest: str
    labels: int
    choice: Choice
    backend: Backend
    held: Any
    tolerance: float

    def scorer(self) -> Scorer:
        """The scorer, built and checked by the first batch of this process that needs it.

        Raises:
            ArtifactError: It does not give the golden scores here.
        """
        backend = f"{self.backend.__module__}.{self.backend.__qualname__}"
        # Spark uses a process again for tasks with other GPUs, and a network stays on the one it was built on.
        key = (f"{backend} {self.choice.half} {task_gpu() if self.choice.gpu else None}", self.digest)
        if key not in _scorers:
            _scorers[key] = self._compiled() if self.choice.name == "compiled" else self._other()
        return _scorers[key]

    def _other(self) -> Scorer:
        artifact: Artifact = self.held.value
        scorer = self.backend(artifact)
        check_golden(scorer, artifact.golden, self.reference, self.tolerance)
        return scorer

    def _compiled(self) -> Scorer:
        path = shared_folder() / f"{self.digest}{'-half' if self.choice.half else ''}.safetensors"
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one worker of the host folds, the others wait and map its file
            if not path.exists():
                fold(self.held.value, max_table_bytes=self.choice.max_table_bytes, half=self.choice.half).save(path)
                self.held.__dict__.pop("_value", None)  # what was folded is in the file; the artifact may go
        folded = Folded.load(path)
        scorer = CompiledScorer(folded)
        golden = Golden(folded.about.golden_texts, folded.about.golden_scores)
        check_golden(scorer, golden, self.reference, self.tolerance)
        return scorer


@dataclass(frozen=True)
class Models:
    """Models by key, as executors get them.

    Attributes:
        code: Broadcast of what numba compiled on the driver, so that a worker's first batch does not wait.
    """

    by_key: Mapping[str, Resident]
    code: Any = None

    def prepare(self) -> None:
        """Put the driver's compiled code where this process looks for it."""
        if self.code is not None and numba_runs():
            bring_code(self.code.value)


def make_resident(spark: SparkSession, artifacts: Mapping[str, Artifact], choices: Mapping[str, Choice]) -> Models:
    """Send models to the executors, and what numba compiles for them."""
    tolerances = {key: _tolerance(artifacts[key], choice) for key, choice in choices.items()}
    _compile_here(artifacts, choices)
    context = spark.sparkContext
    by_key = {
        key: Resident(
            number,
            artifact.reference,
            artifact.digest,
            len(artifact.manifest.labels),
            choices[key],
            BACKENDS[choices[key].name],
            context.broadcast(artifact),
            tolerances[key],
        )
        for number, (key, artifact) in enumerate(artifacts.items())
    }
    compiled = any(choice.name == "compiled" for choice in choices.values())
    return Models(by_key, context.broadcast(kept_code(*_KERNELS)) if compiled and numba_runs() else None)


def _compile_here(artifacts: Mapping[str, Artifact], choices: Mapping[str, Choice]) -> None:
    """Have the driver compile what its models need: one of each architecture asks for all loops of that kind."""
    seen = set()
    for key, artifact in artifacts.items():
        kind = artifact.manifest.architecture
        if choices[key].name == "compiled" and kind not in seen:
            seen.add(kind)
            CompiledScorer(fold(artifact)).score(pa.array([""]))


def _tolerance(artifact: Artifact, choice: Choice) -> float:
    """How far scores may be from the golden ones; half precision may add what it adds on the golden texts here."""
    if not choice.half:
        return TOLERANCE
    scorer = CompiledScorer(fold(artifact, max_table_bytes=choice.max_table_bytes, half=True))
    error = check_golden(scorer, artifact.golden, artifact.reference, 1.0)
    sys.stderr.write(f"{artifact.reference}: half precision changes the golden scores by up to {error:.2g}\n")
    return TOLERANCE + error


def shared_folder() -> Path:
    """Folder of this executor's files, which its workers share and Spark removes; a temporary one outside Spark."""
    try:
        root = Path(SparkFiles.getRootDirectory())
    except (AttributeError, AssertionError):
        root = Path(tempfile.gettempdir(), "textclf")
    folder = root / "folded"
    if not private_folder(folder):
        folder = Path(tempfile.mkdtemp(prefix="textclf-folded-"))
    return folder
