"""Import Keras in the background while the driver waits for Spark: both take seconds."""

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from textclf.spark.worker_gc import loading
from textclf.training.keras_trainer import use_keras_backend


@contextmanager
def keras_imported_beside(engine: str | None) -> Iterator[None]:
    """Import Keras on another thread inside the block, which ends after the import.

    An import that fails fails again where Keras is used, which reports it.

    Args:
        engine: Engine of Keras; None for no import.
    """
    if engine is None:
        yield
        return
    # What both threads may import has to be there before: two threads that import modules which need each other
    # would see one of them unfinished.
    importlib.import_module("pandas")
    thread = threading.Thread(target=_load, args=(engine,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()  # the interpreter must not end in the middle of it


def _load(engine: str) -> None:
    with suppress(Exception), loading():
        use_keras_backend(engine)
        importlib.import_module("keras")
