"""Scoring backends. A new one is a module in this folder and a line in ``BACKENDS``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from textclf.artifact import Artifact
from textclf.errors import UsageError
from textclf.inference.compile_model import MAX_TABLE_BYTES, check_size, compile_model
from textclf.inference.compiled_scorer import CompiledScorer
from textclf.inference.golden import TOLERANCE, check_golden
from textclf.inference.scorer import Scorer, make_scorer
from textclf.models import KerasArchitecture

Backend = Callable[[Artifact], Scorer]

BACKENDS: dict[str, Backend] = {
    "compiled": CompiledScorer.of,
    "keras": make_scorer,
}


@dataclass(frozen=True)
class BackendChoice:
    """The backend chosen for one model, and why.

    Attributes:
        name: A name of ``BACKENDS``.
        why: Reason for the choice, for the run record.
        max_table_bytes: Maximum size of a compiled model's table.
        half: Whether tables of convolutions are float16.
        half_error: Largest difference of a golden score with such tables; None without golden texts or ``half``.
        gpu: Whether tasks that use the backend need a GPU.
    """

    name: str
    why: str
    max_table_bytes: int = MAX_TABLE_BYTES
    half: bool = False
    half_error: float | None = None
    gpu: bool = False

    @property
    def tolerance(self) -> float:
        """Largest allowed difference from the golden scores; half precision adds the error that was measured here."""
        return TOLERANCE + (self.half_error or 0.0)

    def scorer(self, artifact: Artifact) -> Scorer:
        """Make the model's scorer and check it with the golden texts.

        Raises:
            ArtifactError: The scorer does not reproduce the scores recorded at training.
        """
        made = BACKENDS[self.name](artifact)
        check_golden(made, artifact.golden, artifact.reference, self.tolerance)
        return made


@dataclass(frozen=True)
class Challenge:
    """The challengers by key of the rows, and the backend of each."""

    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    choices: Mapping[str, BackendChoice] = field(default_factory=dict)


def choose(
    artifact: Artifact, name: str, *, max_table_bytes: int = MAX_TABLE_BYTES, half: bool = False, gpu: bool = False
) -> BackendChoice:
    """Choose the backend of a model.

    Args:
        artifact: The model.
        name: Name of a backend, or ``auto``: the compiled scorer if the model has one, else Keras.
        max_table_bytes: Maximum size of a compiled model's table.
        half: Whether to store tables of convolutions as float16.
        gpu: Whether Keras has GPUs here.

    Raises:
        UsageError: There is no such backend, or ``compiled`` is asked for a model that cannot be compiled or whose
            table is too large.
    """
    if name not in ("auto", *BACKENDS):
        raise UsageError(
            "This release has no such scoring backend.",
            received=name,
            expected=f"one of: auto, {', '.join(BACKENDS)}",
            fix="leave out --backend and [score] backend, or name one of these",
        )
    if name == "keras":
        return _keras(artifact, "as asked for", gpu=gpu)
    try:
        check_size(artifact, max_table_bytes, half=half)
    except UsageError as error:
        if name == "compiled":
            raise
        return _keras(artifact, error.problem, gpu=gpu)
    why = f"{artifact.manifest.architecture} can be compiled" if name == "auto" else "as asked for"
    half_error = _half_error(artifact, max_table_bytes) if half else None
    if half_error is not None:
        why = f"{why}; in half precision, which changes golden scores by up to {half_error:.2g}"
    return BackendChoice("compiled", why, max_table_bytes, half, half_error)


def _half_error(artifact: Artifact, max_table_bytes: int) -> float | None:
    """Return the largest difference of a golden score with tables in half precision; None without golden texts."""
    if not artifact.golden.texts:
        return None
    scorer = CompiledScorer(compile_model(artifact, max_table_bytes=max_table_bytes, half=True))
    return check_golden(scorer, artifact.golden, artifact.reference, 1.0)


def _keras(artifact: Artifact, why: str, *, gpu: bool) -> BackendChoice:
    network = isinstance(artifact.architecture, KerasArchitecture)
    return BackendChoice("keras", f"{why.rstrip('.')}; on {'GPUs' if gpu and network else 'CPUs'}", gpu=gpu and network)
