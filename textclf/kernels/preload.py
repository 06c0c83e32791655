"""Loading of all compiled kernels ahead of their first call."""

from importlib import import_module
from typing import Any

from textclf.kernels.compiler import numba_missing

_MODULES = ("textclf.kernels.layers", "textclf.kernels.token_lookup", "textclf.kernels.tokenize")
PRELOAD = f"{__name__}:load_kernels"
"""Reference to ``load_kernels`` for ``textclf.spark.preload.environment.preloading``."""


def load_kernels() -> None:
    """Load numba, and the code of the kernels that this machine has compiled before; nothing is compiled.

    Most of the time goes into what numba imports before it runs any code, a seventh into the code itself.
    """
    if numba_missing() is not None:
        return
    for name in _MODULES:
        for function, kernel in vars(import_module(name)).items():
            # Kernels that only others call are part of their code.
            if hasattr(kernel, "overloads") and not function.startswith("_"):
                _load(kernel)


def _load(kernel: Any) -> None:
    context, cache = kernel.targetctx, kernel._cache
    context.refresh()  # imports what numba needs to run code, even if there is none yet
    for signature, *built in cache._cache_file._load_index():
        if (signature, *built) == cache._index_key(signature, context.codegen()):  # for this processor
            kernel.compile(signature)  # finds it in the cache
