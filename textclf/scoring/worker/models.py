"""The models of a worker process: brought when a row needs one, built once, checked before they score anything."""

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
from textclf.inference.backends import BACKENDS, Backend, Challenge, Choice
from textclf.inference.compile_model import compile_model
from textclf.inference.compiled_model import CompiledModel
from textclf.inference.compiled_scorer import CompiledScorer
from textclf.inference.golden import check_golden
from textclf.inference.scorer import Scorer
from textclf.kernels.compiler import bring_code, kept_code, numba_runs
from textclf.scoring.worker.kernel_report import tell
from textclf.spark.gpu import task_gpu
from textclf.text.arrow import gathered
from textclf.text.unicode_tables import tables_path

_KERNELS = ("textclf.kernels.token_lookup", "textclf.kernels.layers")
_ROWS_A_CALL = 64  # of each of many models: to call one takes as long as to score about as many texts
_GATHERED_BYTES = 16 << 20
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
        shared = shared_folder()
        if shared is not None:
            compiled = self._compiled(shared)
        else:
            # The mapped file lives on without its name: nothing stays behind.
            with tempfile.TemporaryDirectory(prefix="textclf-compiled-") as alone:
                compiled = self._compiled(Path(alone))
        scorer = CompiledScorer(compiled)
        golden = Golden(compiled.info.golden_texts, compiled.info.golden_scores)
        check_golden(scorer, golden, self.reference, self.tolerance)
        return scorer

    def _compiled(self, folder: Path) -> CompiledModel:
        path = folder / f"{self.digest}{'-half' if self.choice.half else ''}.safetensors"
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one worker of the host compiles, the others wait and map its file
            if not path.exists():
                compile_model(self.held.value, max_table_bytes=self.choice.max_table_bytes, half=self.choice.half).save(
                    path
                )
                self.held.__dict__.pop("_value", None)  # what was compiled is in the file; the artifact may go
        return CompiledModel.load(path)


@dataclass(frozen=True)
class Models:
    """Models by key, as executors get them.

    Attributes:
        challengers: Those that score beside them, by the same keys.
        code: Broadcast of what numba compiled on the driver, so that a worker's first batch does not wait.
        fallbacks: Where workers tell that numba cannot run; see ``fallback``.
    """

    by_key: Mapping[str, Resident]
    challengers: Mapping[str, Resident] = field(default_factory=dict)
    code: Any = None
    fallbacks: Any = None

    def gathered(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches of a task, joined where many models share them, so that each call of a model is worth it."""
        return gathered(batches, _ROWS_A_CALL * len(self.by_key), _GATHERED_BYTES)

    def prepare(self) -> None:
        """Put the driver's compiled code where this process looks for it."""
        tell(self.fallbacks)
        if self.code is not None and numba_runs():
            bring_code(self.code.value)


def make_resident(
    spark: SparkSession,
    artifacts: Mapping[str, Artifact],
    choices: Mapping[str, Choice],
    challenge: Challenge | None = None,
    fallbacks: Any = None,
) -> Models:
    """Send models to the executors, and what numba compiles for them."""
    second = challenge or Challenge()
    pairs = [(artifacts[key], choice) for key, choice in choices.items()]
    pairs += [(second.artifacts[key], choice) for key, choice in second.choices.items()]
    code = compiled_code(pairs)
    context, held = spark.sparkContext, {}
    for artifact, choice in pairs:
        if artifact.digest not in held:  # one model may challenge many
            held[artifact.digest] = context.broadcast(artifact)
            _state_precision(artifact, choice)
    return Models(
        _residents(artifacts, choices, held),
        _residents(second.artifacts, second.choices, held),
        None if code is None else context.broadcast(code),
        fallbacks,
    )


def _residents(
    artifacts: Mapping[str, Artifact], choices: Mapping[str, Choice], held: Mapping[str, Any]
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


def compiled_code(pairs: Iterable[tuple[Artifact, Choice]]) -> dict[str, bytes] | None:
    """What numba makes of the loops that these models need, and tables of characters; None where numba does not run.

    By file name. It is compiled here: one model of each architecture asks for all loops of that kind.
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


def _state_precision(artifact: Artifact, choice: Choice) -> None:
    if choice.half:
        from textclf.common.logs import say  # not for workers, which import this module and have no pipeline file

        size = "an unknown amount, it has none" if choice.half_error is None else f"up to {choice.half_error:.2g}"
        say(f"{artifact.reference}: half precision changes the golden scores by {size}")


def shared_folder() -> Path | None:
    """Folder of this executor's files, which its workers share and Spark removes; None where there is none."""
    try:
        root = Path(SparkFiles.getRootDirectory())
    except (AttributeError, AssertionError):
        return None  # outside of Spark
    folder = root / "compiled"
    # Who can write to Spark's own folder (a group's, with umask 002) can replace the code that it runs.
    return folder if private_folder(folder, trusted_parent=True) else None
