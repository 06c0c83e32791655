"""A cache on disk of the initial tensors of fits, since Keras, which draws them, takes seconds to import."""

import pkgutil
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from textclf import models
from textclf.common.arrays import Float32
from textclf.common.atomic_files import PRIVATE, read_checked, replace_checked
from textclf.common.digests import json_digest
from textclf.kernels.compiler import source_digest
from textclf.models import InputShape, KerasArchitecture
from textclf.training.jax.compilation_cache import kept_folder
from textclf.training.jax.train_loop import drawn

_IN_MEMORY = 32
_LARGEST = 16 << 20  # most bytes of tensors to store: with larger ones, training takes far longer than importing Keras


@lru_cache(maxsize=_IN_MEMORY)
def initial_tensors(made: KerasArchitecture, hyperparameters: Any, shape: InputShape, seed: int) -> list[Float32]:
    """Return the initial tensors of a fit for a seed, in the order of the graph; callers must not change them.

    They are read from the cache if an earlier process with the same versions of all packages drew them, else drawn.
    """
    wanted = list(made.tensors(hyperparameters, shape).values())
    file = _file(made, hyperparameters, shape, seed)
    if file is not None and (found := _read(file, wanted)) is not None:
        return found
    model, _ = drawn(lambda: made.build(hyperparameters, shape), seed)
    tensors = [np.asarray(tensor, np.float32) for tensor in model.get_weights()]
    if file is not None and sum(tensor.nbytes for tensor in tensors) <= _LARGEST:
        _write(file, tensors)
    return tensors


def any_kept() -> bool:
    """Whether a process with the same versions of all packages has stored tensors, so that Keras may not be needed."""
    folder = kept_folder()
    return folder is not None and next(folder.glob(f"{_versions()}-*.initial"), None) is not None


def _file(made: KerasArchitecture, hyperparameters: Any, shape: InputShape, seed: int) -> Path | None:
    folder, kind = kept_folder(), type(made)
    if folder is None or not kind.__module__.startswith("textclf."):  # changes of other code would go unnoticed
        return None
    # The tensors do not depend on the length of texts.
    parts = [kind.__qualname__, hyperparameters.model_dump(mode="json"), made.tensors(hyperparameters, shape), seed]
    return folder / f"{_versions()}-{json_digest(parts, sort_keys=True)[:32]}.initial"


@cache
def _versions() -> str:
    """Return a digest of everything else that affects the drawn values."""
    import jax

    config: Any = jax.config  # its settings are not typed
    numbers = [config.jax_default_prng_impl, config.jax_threefry_partitionable, config.jax_enable_x64]
    versions = [version(name) for name in ("jax", "jaxlib", "keras", "numpy")]
    architectures = sorted(f"{models.__name__}.{each.name}" for each in pkgutil.iter_modules(models.__path__))
    sources = source_digest(models.__name__, *architectures, drawn.__module__, __name__)
    return json_digest([versions, numbers, sources])[:16]


def _read(file: Path, wanted: list[tuple[int, ...]]) -> list[Float32] | None:
    """Read the tensors of a file; None if the file is missing or incomplete."""
    data = read_checked(file)
    if data is None:
        return None
    try:
        arrays = load(data)
        tensors = [arrays[str(number)] for number in range(len(wanted))]
    except (SafetensorError, KeyError):
        return None
    return tensors if [tensor.shape for tensor in tensors] == wanted else None


def _write(file: Path, tensors: list[Float32]) -> None:
    data = save({str(number): np.ascontiguousarray(tensor) for number, tensor in enumerate(tensors)})
    with suppress(OSError):  # like JAX, go on if the file cannot be stored
        replace_checked(file, data, PRIVATE)
