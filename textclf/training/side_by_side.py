"""Train the models of several sources side by side in Spark tasks, where that takes less time than the driver alone.

A worker has to start and to import Keras, which takes longer than it takes the driver to fit a network to a thousand
rows. So the fits are sent to workers only if the driver is expected to lose more time than that. The model is the same
to the last bit: a worker gets what the driver would fit, and as many threads, since the number of threads decides in
which order an engine adds up.
"""

import heapq
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pyspark import SparkContext

from textclf.common import console
from textclf.config import Pipeline, Source
from textclf.errors import InputError, TextclfError, UsageError, with_place
from textclf.models import KerasArchitecture, architecture
from textclf.runs.workspace import Workspace
from textclf.spark import cancellation
from textclf.spark.environments import LEAN, SETTING
from textclf.spark.gpu import has_gpus
from textclf.spark.launch.python_packages import has_gpu
from textclf.spark.preload.environment import worker_variables
from textclf.spark.progress import spark_step
from textclf.spark.session import WORKER_CONF
from textclf.spark.task_pool import FanOut
from textclf.spark.worker_gc import loading
from textclf.training.keras_import import keras_imported_beside
from textclf.training.keras_trainer import use_keras_backend
from textclf.training.settings import check_patience, separate
from textclf.training.train import (
    FittedModel,
    PreparedFit,
    TrainedModel,
    fit_prepared,
    log_file,
    prepare,
    save_fitted,
    train_model,
)

_STEP = 0.004  # seconds of a small network's training step on one core; larger networks only take longer
_START = 6.0  # seconds until a worker process has started, and has imported Keras beside another one
_HELD = 128 << 20  # bytes of rows and models that are prepared together: the driver and its JVM hold them
_POLL = 0.05  # seconds between two polls for ended fits

Finish = Callable[[], TrainedModel]
"""Does what is left to do of a training, and returns the saved model or raises the error of its source."""
Trainings = Generator[tuple[Source, Finish], None, None]
"""Each source with what ends its training."""


@dataclass(frozen=True)
class FitResult:
    """A fitted model on its way from a worker to the driver, or the error instead of it.

    Attributes:
        key: Key of the task.
        fitted: The model.
        log: Measures of each epoch as CSV; empty if they are not asked for.
        error: Error that ended the fit.
    """

    key: str
    fitted: FittedModel | None = None
    log: bytes = b""
    error: Exception | None = None


@dataclass(frozen=True)
class FitTask:
    """A fit that a worker does.

    Attributes:
        key: Key of the task.
        prepared: What the model is made from.
        logged: Whether the measures of each epoch are asked for; the file is the driver's to write.
    """

    key: str
    prepared: PreparedFit
    logged: bool

    def run(self, shared: Any) -> FitResult:  # noqa: ARG002 - each task has rows of its own
        """Fit on a worker; an error becomes the result of this source."""
        try:
            if isinstance(self.prepared.spec.architecture, KerasArchitecture):
                with loading():
                    use_keras_backend(self.prepared.engine)
                    import keras  # noqa: F401
            with tempfile.TemporaryDirectory() as folder:
                log = Path(folder, "log.csv") if self.logged else None
                fitted = fit_prepared(self.prepared, log)
                return FitResult(self.key, fitted, log.read_bytes() if log is not None else b"")
        except Exception as error:  # noqa: BLE001 - the other sources' models do not depend on this one
            return FitResult(self.key, error=_portable(error))

    def lost(self, error: str) -> FitResult:
        """Make the result of a fit whose process ended before it did."""
        found = InputError(
            f"The model of {self.prepared.origin.name} could not be trained.",
            received=error,
            expected="a worker process that lives as long as the fit",
            fix="give workers more memory, or train this source alone with --source, which the driver does",
        )
        return FitResult(self.key, error=found)


def trainings(
    workspace: Workspace,
    sources: Sequence[Source],
    architecture_name: str,
    overrides: Mapping[str, str],
    *,
    promote: bool = False,
) -> Trainings:
    """Train models of several sources, side by side where that is faster, with the result of ``train_model``.

    Close the iterator before its end (``contextlib.closing``) to cancel what still runs on workers.

    Args:
        workspace: As in ``train_model``.
        sources: Sources to train a model of each.
        architecture_name: As in ``train_model``.
        overrides: As in ``train_model``.
        promote: As in ``train_model``.

    Yields:
        Each source as it is its turn, with the function that ends its training and saves the model, or raises what
        was wrong. Where fits run on workers, sources come as their fits end, and those with an error last.

    Raises:
        StoppedError: The run was asked to stop while workers fitted.
    """
    with keras_imported_beside(_engine(workspace.pipeline, architecture_name, overrides)):
        yield from _in_turn(workspace, sources, architecture_name, overrides, promote=promote)


def _engine(pipeline: Pipeline, architecture_name: str, overrides: Mapping[str, str]) -> str | None:
    """Return the engine of Keras that the fits need; None if they need none, or do not begin for a wrong setting."""
    with suppress(UsageError):
        made = architecture(architecture_name)
        check_patience(separate(pipeline, made, overrides)[1])
        if isinstance(made, KerasArchitecture):
            return pipeline.train.keras_backend
    return None


def _in_turn(
    workspace: Workspace, sources: Sequence[Source], name: str, overrides: Mapping[str, str], *, promote: bool
) -> Trainings:
    alone = partial(train_model, architecture_name=name, overrides=overrides, promote=promote)
    context = workspace.spark.sparkContext
    if len(sources) < 2 or not can_fit(dict(context.getConf().getAll())):
        yield from ((source, partial(alone, workspace, source)) for source in sources)
        return
    for batch in _batches(workspace, sources, name, overrides):
        fits = [(source, prepared) for source, prepared in batch if prepared is not None]
        if gain([seconds(prepared) for _, prepared in fits], context.defaultParallelism) > _START and _complete(fits):
            yield from _on_workers(workspace, fits, promote=promote)
        else:
            yield from ((source, partial(_here, workspace, prepared, promote=promote)) for source, prepared in fits)
        yield from ((source, partial(alone, workspace, source)) for source, prepared in batch if prepared is None)


def _complete(fits: Sequence[tuple[Source, PreparedFit]]) -> bool:
    """Whether fits need nothing that only the driver may have: a file of pretrained vectors."""
    return not any(getattr(prepared.spec.hyperparameters, "pretrained", None) for _, prepared in fits)


def seconds(prepared: PreparedFit) -> float:
    """Estimate how long a fit takes the driver, rather too short: 0 for a model without training steps."""
    if not isinstance(prepared.spec.architecture, KerasArchitecture):
        return 0.0
    rows = len(prepared.train)
    return _STEP * sum(len(epochs) * -(-rows // size) for epochs, size in prepared.spec.settings.stretches)


def gain(fits: Sequence[float], slots: int) -> float:
    """Return how much longer fits take one after another than side by side, without the start of workers.

    Args:
        fits: Time of each fit.
        slots: Number of fits that run at the same time.

    Example:
        >>> gain([30, 30, 30], 2), gain([30, 1, 1], 8), gain([30, 30], 1)
        (30.0, 2.0, 0.0)
    """
    ends = [0.0] * slots
    for each in sorted(fits, reverse=True):
        heapq.heapreplace(ends, ends[0] + each)
    return sum(fits) - max(ends)


def can_fit(settings: Mapping[str, str]) -> bool:
    """Whether Spark's tasks can fit what the driver can, by the settings of the session.

    A GPU, the driver's or the executors', is given to one fit at a time, by the driver; and lean executors have no
    Keras, which would take minutes to send to them.
    """
    lean = settings.get(SETTING) == LEAN and not settings.get("spark.master", "").startswith("local")
    return not (lean or has_gpus(settings) or has_gpu())


def _batches(
    workspace: Workspace, sources: Sequence[Source], name: str, overrides: Mapping[str, str]
) -> Iterator[list[tuple[Source, PreparedFit | None]]]:
    """Prepare as many fits at a time as the driver may hold; None where that fails, as the source's training will."""
    batch: list[tuple[Source, PreparedFit | None]] = []
    held = 0
    for source in sources:
        try:
            with console.step(f"read {source.name}", kept=False):
                prepared = prepare(workspace, source, name, overrides)
        except UsageError:  # the next source would have it, too: nothing more is trained
            yield [*batch, (source, None)]
            return
        except Exception:  # noqa: BLE001 - raised again where this source is trained, which may be tried again
            cancellation.check()
            batch.append((source, None))
            continue
        size = _size(prepared)
        if held and held + size > _HELD:
            yield batch
            batch, held = [], 0
        batch.append((source, prepared))
        held += size
    yield batch


def _size(prepared: PreparedFit) -> int:
    """Return the bytes of a fit's rows and of its model."""
    rows = prepared.train.texts.nbytes + prepared.test.texts.nbytes
    return int(rows + prepared.parameters * np.dtype(prepared.spec.architecture.dtype).itemsize)


def _here(workspace: Workspace, prepared: PreparedFit, *, promote: bool) -> TrainedModel:
    return save_fitted(workspace, fit_prepared(prepared, log_file(workspace.pipeline, prepared)), promote=promote)


def _on_workers(workspace: Workspace, fits: Sequence[tuple[Source, PreparedFit]], *, promote: bool) -> Trainings:
    logged = workspace.pipeline.train.logs is not None
    # By number, as names are for people: sources keep the order of the pipeline file however they are called.
    tasks = {str(number): FitTask(str(number), fit, logged) for number, (_, fit) in enumerate(fits)}
    context, failed = workspace.spark.sparkContext, dict[str, Exception]()
    fan_out = FanOut(context, "models")
    with spark_step(workspace.spark, "train", unit="models") as step, _as_the_driver(context, fits[0][1].engine):
        try:
            # The longest first, so that none of them begins when the other slots are free already.
            longest = sorted(tasks, key=lambda key: -seconds(tasks[key].prepared))
            fan_out.submit([tasks[key] for key in longest])
            left = set(tasks)
            while left:
                step.update(len(tasks) - len(left), len(tasks))
                time.sleep(_POLL)
                cancellation.check()
                for result in fan_out.results():
                    if result.key not in left:
                        continue  # a second attempt of a task, whose first result was taken
                    left.remove(result.key)
                    if result.error is not None:
                        failed[result.key] = result.error
                        continue
                    done = partial(_save, workspace, tasks[result.key].prepared, result, promote=promote)
                    yield fits[int(result.key)][0], done
            step.update(len(tasks))
        finally:
            fan_out.close()
    # Last, as one of them may end the job, and in their order.
    for key in sorted(failed, key=int):
        yield fits[int(key)][0], partial(_raise, failed[key])


def _save(workspace: Workspace, prepared: PreparedFit, result: FitResult, *, promote: bool) -> TrainedModel:
    log = log_file(workspace.pipeline, prepared)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(result.log)
    assert result.fitted is not None
    return save_fitted(workspace, result.fitted, promote=promote)


def _raise(error: Exception) -> TrainedModel:
    raise error


@contextmanager
def _as_the_driver(context: SparkContext, engine: str) -> Iterator[None]:
    """Give Python workers that start within it the driver's engine, settings of engines, and number of threads."""
    cores = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    threads = [name.rpartition(".")[2] for name in WORKER_CONF if name.endswith("_THREADS")]
    given = {name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_"))}
    # NPROC bounds the threads of XLA's pool.
    given |= {name: os.environ.get(name, cores) for name in (*threads, "NPROC")} | {"KERAS_BACKEND": engine}
    with worker_variables(context, given):
        yield


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent to the driver: one of ``textclf.errors`` itself, of another one what it says."""
    if isinstance(error, TextclfError):
        return error
    return RuntimeError(with_place(error))
