"""Call a compiled function that is kept for later processes.

``python -m tests.training.executable_cache_process PART [WHAT]``: PART is the factor that the function
multiplies by, WHAT the variation to run. Prints the results of the calls and the traced shapes as JSON.
"""

import json
import sys
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import serialize_executable

from textclf.training.jax.compilation_cache import keep_compilations
from textclf.training.jax.executable_cache import Executables


def given(size: int, dtype: Any = np.float32) -> tuple[Any, Any]:
    """Return a state of two arrays, and the array to update it by."""
    return (jnp.ones(size), jnp.arange(size)), np.arange(2 * size).reshape(2, size).astype(dtype)


def unable(compiled: Any) -> Any:
    """Fail in place of JAX's function that serializes executables."""
    raise NotImplementedError


def called(function: Executables, size: int, dtype: Any = np.float32) -> list[Any]:
    """Return the state and the other output after two calls."""
    state, by = given(size, dtype)
    for _ in range(2):
        before, (state, by) = state, function(state, by)
        assert all(each.is_deleted() for each in before), "the memory of the state was not given away"
    return [array.tolist() for array in (*state, by)]


def in_threads(function: Executables) -> list[Any]:
    """Call the function with two shapes concurrently."""
    found: list[Any] = []

    def call(size: int) -> None:
        found.append(called(function, size))

    threads = [threading.Thread(target=call, args=(size,)) for size in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def main(part: int, what: str = "") -> None:
    traced: list[list[Any]] = []

    def moved(state: Any, by: Any) -> Any:
        traced.append([*by.shape, by.dtype.name])
        return (state[0] + by.sum(), state[1] * 2), by * part

    keep_compilations()
    if what == "plain":  # compiled by JAX alone, which uses its own cache
        for size in (3, 4):
            jax.jit(moved, donate_argnums=0)(*given(size))
        return
    if what == "unable":
        serialize_executable.serialize = unable
    options = {"xla_backend_optimization_level": "1"} if what == "options" else None
    modules = ("textclf.common.atomic_files",) if what == "modules" else ()
    function = Executables(moved, part, modules, donated=0, options=options)
    if what == "threads":
        found = in_threads(function)
    elif what == "whole numbers":
        found = [called(function, 3, np.int32)]
    else:
        found = [called(function, size) for size in (3, 3, 4)]
    print(json.dumps([sorted(found), sorted(traced)]))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
