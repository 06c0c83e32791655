"""Environment of a search's worker processes, and their imports ahead of the first trial."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyspark import SparkContext

from textclf.spark.preload.environment import worker_variables
from textclf.spark.worker_gc import loading
from textclf.training.jax.initial_weights import any_kept
from textclf.training.keras_trainer import on_jax, prepare_engine, use_keras_backend


@contextmanager
def worker_environment(context: SparkContext, engine: str) -> Iterator[None]:
    """Give Python workers that start within it Keras' engine, one thread for each trial, and JAX's settings.

    Spark keeps worker processes of different environments apart, so that a search never gets a process in which other
    work has loaded another engine.
    """
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    given = {name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_PYTHON_"))}
    # NPROC bounds the threads of XLA's pool, which would otherwise be one a core in every worker.
    with worker_variables(context, given | {"KERAS_BACKEND": engine, "XLA_FLAGS": flags, "NPROC": "1"}):
        yield


def import_ahead(context: SparkContext, engine: str) -> None:
    """Let the worker processes import Keras while the driver prepares the trials, without holding their slots for it.

    Only JAX where an earlier search has kept the initial weights (see ``textclf.training.jax.initial_weights``): a
    trial that needs Keras imports it then. What the baseline needs is imported after that.

    They are processes of ``worker_environment``, so that other Spark jobs do not wait for the import. A failing import
    fails again in the first trial, which reports it.
    """

    def load() -> None:
        with suppress(Exception), loading():
            use_keras_backend(engine)
            prepare_engine()
            if not (on_jax() and any_kept()):
                import keras  # noqa: F401
            import sklearn.linear_model  # noqa: F401 - the baseline's, and Keras' own wrappers

    def begin(_: int) -> None:
        threading.Thread(target=load, daemon=True).start()

    slots = context.defaultParallelism
    with worker_environment(context, engine):
        context.parallelize(range(slots), slots).foreach(begin)
