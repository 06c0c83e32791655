"""The models of a worker process: loaded when a row needs one, built once, and checked before they score."""

import fcntl
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import SparkFiles
from pyspark.sql import SparkSession

from textclf.artifact import Artifact, Golden
from textclf.common.atomic_files import private_folder
from textclf.inference.backends import BACKENDS, Backend, BackendChoice, Challenge
from textclf.inference.compile_model import compile_model
from textclf.inference.compiled_model import CompiledModel
from textclf.inference.compiled_scorer import CompiledScorer
from textclf.inference.golden import check_golden
from textclf.inference.scorer import Scorer
from textclf.kernels.compiler import bring_code, kept_code, numba_runs
from textclf.kernels.preload import PRELOAD
from textclf.scoring.worker.kernel_report import tell
from textclf.spark.gpu import task_gpu
from textclf.text.arrow import gathered
from textclf.text.unicode_tables import tables_path

PRELOADED = ("pandas", "textclf.scoring.worker.output", PRELOAD)  # Arrow loads pandas to make its first array
"""What workers that score with compiled models need; see ``textclf.spark.preload.environment.preloading``."""
_KERNELS = ("textclf.kernels.token_lookup", "textclf.kernels.layers")
_ROWS_A_CALL = 64  # per model, if there are many: calling a model costs about as much as scoring that many texts
_GATHERED_BYTES = 16 << 20
_scorers: dict[tuple[str, str], Scorer] = {}  # of this worker process; Spark reuses it for task after task


@dataclass(frozen=True)
class Resident:
    """A model as executors receive it.

    Attributes:
        number: Number that a worker returns instead of the model's names and digest.
        reference: ``name@version`` of the model.
        digest: Digest of the artifact.
        labels: Number of labels.
        choice: Backend and precision.
        backend: Function from the artifact to its scorer.
        held: Broadcast of the artifact; a worker loads it only when it must build the scorer.
        tolerance: Largest allowed difference from the golden scores.
    """

    number: int
    reference: str
    digest: str
    labels: int
    choice: BackendChoice
    backend: Backend
    held: Any
    tolerance: float

    def scorer(self) -> Scorer:
        """Return the scorer; the first batch of this process that needs it builds and checks it.

        Raises:
            ArtifactError: The scorer does not reproduce the golden scores.
        """
        backend = f"{self.backend.__module__}.{self.backend.__qualname__}"
        # Spark reuses a process for tasks with other GPUs, but a network stays on the GPU it was built on.
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
        shared = shared_folder()
        if shared is not None:
            compiled = self._compiled_file(shared)
        else:
            # The memory map outlives the file's name, so nothing is left behind.
            with tempfile.TemporaryDirectory(prefix="textclf-compiled-") as alone:
                compiled = self._compiled_file(Path(alone))
        scorer = CompiledScorer(compiled)
        golden = Golden(compiled.info.golden_texts, compiled.info.golden_scores)
        check_golden(scorer, golden, self.reference, self.tolerance)
        return scorer

    def _compiled_file(self, folder: Path) -> CompiledModel:
        path = folder / f"{self.digest}{'-half' if self.choice.half else ''}.safetensors"
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one worker of the host compiles, the others wait and map its file
            if not path.exists():
                compile_model(self.held.value, max_table_bytes=self.choice.max_table_bytes, half=self.choice.half).save(
                    path
                )
                self.held.__dict__.pop("_value", None)  # the compiled model is in the file; free the artifact
        return CompiledModel.load(path)


@dataclass(frozen=True)
class Models:
    """Models by key, as executors receive them.

    Attributes:
        by_key: The models that score rows, by key.
        challengers: The models that score beside them, by the same keys.
        code: Broadcast of the code that numba compiled on the driver, so that a worker's first batch does not wait.
        fallbacks: Accumulator in which workers report that numba cannot run; see ``kernel_report``.
    """

    by_key: Mapping[str, Resident]
    challengers: Mapping[str, Resident] = field(default_factory=dict)
    code: Any = None
    fallbacks: Any = None

    def gathered(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Join the batches of a task if many models share them, so that each call of a model has enough rows."""
        return gathered(batches, most=_GATHERED_BYTES, rows=_ROWS_A_CALL * len(self.by_key))

    def prepare(self) -> None:
        """Put the driver's compiled code where numba looks for it in this process."""
        tell(self.fallbacks)
        if self.code is not None and numba_runs():
            bring_code(self.code.value)


def make_resident(
    spark: SparkSession,
    artifacts: Mapping[str, Artifact],
    choices: Mapping[str, BackendChoice],
    challenge: Challenge | None = None,
    fallbacks: Any = None,
) -> Models:
    """Send models to the executors, with the code that numba compiles for them."""
    second = challenge or Challenge()
    pairs = [(artifacts[key], choice) for key, choice in choices.items()]
    pairs += [(second.artifacts[key], choice) for key, choice in second.choices.items()]
    code = compiled_code(pairs)
    context, held = spark.sparkContext, {}
    for artifact, choice in pairs:
        if artifact.digest not in held:  # one model may challenge several
            held[artifact.digest] = context.broadcast(artifact)
            _state_precision(artifact, choice)
    return Models(
        _residents(artifacts, choices, held),
        _residents(second.artifacts, second.choices, held),
        None if code is None else context.broadcast(code),
        fallbacks,
    )


def _residents(
    artifacts: Mapping[str, Artifact], choices: Mapping[str, BackendChoice], held: Mapping[str, Any]
) -> dict[str, Resident]:
    return {
        key: Resident(
            number,
            artifact.reference,
            artifact.digest,
            len(artifact.manifest.labels),
            choices[key],
            BACKENDS[choices[key].name],
            held[artifact.digest],
            choices[key].tolerance,
        )
        for number, (key, artifact) in enumerate(artifacts.items())
    }


def compiled_code(pairs: Iterable[tuple[Artifact, BackendChoice]]) -> dict[str, bytes] | None:
    """Compile the kernels that these models need; one model of each architecture calls all kernels of its kind.

    Returns:
        Numba's files and the tokenizers' tables of characters, by file name. None if numba does not run or no model is
        compiled.
    """
    seen, tokenizers = set(), set()
    for artifact, choice in pairs:
        kind = artifact.manifest.architecture
        if choice.name == "compiled" and kind not in seen:
            seen.add(kind)
            tokenizers.add(artifact.manifest.tokenizer)
            compiled = compile_model(artifact, max_table_bytes=choice.max_table_bytes, half=choice.half)
            CompiledScorer(compiled).score(pa.array([""]))
    if not seen or not numba_runs():
        return None
    tables = [path for path in map(tables_path, tokenizers) if path.exists()]
    return kept_code(*_KERNELS) | {path.name: path.read_bytes() for path in tables}


def _state_precision(artifact: Artifact, choice: BackendChoice) -> None:
    if choice.half:
        from textclf.common.logs import say  # workers import this module, too, and have no pipeline file

        size = "an unknown amount, since it has none" if choice.half_error is None else f"up to {choice.half_error:.2g}"
        say(f"{artifact.reference}: half precision changes the golden scores by {size}")


def shared_folder() -> Path | None:
    """Return the folder that the workers of this executor share and Spark removes; None if there is none."""
    try:
        root = Path(SparkFiles.getRootDirectory())
    except (AttributeError, AssertionError):
        return None  # outside of Spark
    folder = root / "compiled"
    # Trusted: write access to Spark's folder (a group's, with umask 002) already allows replacing the code it runs.
    return folder if private_folder(folder, trusted_parent=True) else None
