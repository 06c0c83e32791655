"""Functions whose compiled forms outlive the process, so that a later one neither traces nor compiles them.

JAX's own cache keeps what was compiled, and finds it by the program, which each process has to trace and lower first:
for a small network that takes longer than an epoch of it. Here the whole executable is found by what the program
depends on.
"""

import os
import pickle
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from textclf.common.atomic_files import PRIVATE, read_checked, replace_checked
from textclf.common.digests import json_digest
from textclf.kernels.compiler import python_release, source_digest
from textclf.training.jax.compilation_cache import kept_folder, processor

_DEVICE = "cpu"  # a GPU's executables name the device that they were compiled for, and tasks are given others
_QUICK = 1  # of zlib's levels: a quarter of the bytes remains, read in a millisecond
_finding = threading.Lock()
_able = True  # this JAX can write executables
_PLACES = ("cache", "dump", "log")  # in names of JAX's settings that change nothing of what is compiled


class Executables:
    """A function of JAX, compiled once for each shape of its arguments, by whichever process comes first.

    Settings of JAX that change what is compiled must not change between two calls in one process.

    Args:
        function: Pure, of arrays and tuples of them, without constants that are arrays.
        parts: Everything but the arguments' shapes and the modules' sources that decides what is compiled.
        modules: Names of the modules that the function is made of.
        donated: Number of the argument whose memory the result may take, as ``jax.jit`` has it.
        options: Of the compiler.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parts: object,
        modules: tuple[str, ...],
        *,
        donated: int | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        import jax

        donate = () if donated is None else (donated,)
        self._jitted = jax.jit(function, donate_argnums=donate, compiler_options=dict(options) if options else None)
        self._modules = modules
        self._identity = [function.__qualname__, repr(parts), donated, dict(options or {})]
        self._compiled: dict[object, Any] = {}

    def __len__(self) -> int:
        """For how many shapes there is a compiled form here; none on a GPU, where JAX has them."""
        return len(self._compiled)

    def __call__(self, *given: Any) -> Any:
        """The function's value, of arrays and scalars of numpy or JAX."""
        import jax

        if jax.default_backend() != _DEVICE:
            return self._jitted(*given)
        leaves, tree = jax.tree.flatten(given)
        kinds = tuple((leaf.shape, leaf.dtype.name, getattr(leaf, "weak_type", False)) for leaf in leaves)
        key = tree, kinds
        if key not in self._compiled:
            with _finding:
                self._compiled[key] = self._compiled.get(key) or self._find(given, str(tree), kinds)
        return self._compiled[key](*given)

    def _find(self, given: Any, tree: str, kinds: object) -> Any:
        """Of an earlier process, else of this one and kept for those that come later."""
        folder = kept_folder()
        if folder is None:
            return self._compile(given)
        parts = [_code(self._modules), _settings(), self._identity, tree, kinds]
        file = folder / f"{json_digest(parts, sort_keys=True)}.executable"
        found = _load(file, given)
        if found is not None:
            return found
        if not _able or not os.access(folder, os.W_OK):
            return self._compile(given)
        with _cache_off():
            found = self._compile(given)
        _keep(file, found)
        return found

    def _compile(self, given: Any) -> Any:
        return self._jitted.lower(*given).compile()


@contextmanager
def _cache_off() -> Iterator[None]:
    """Compile within it without JAX's own cache: an executable that was read from there lacks parts when written again.

    Itself it computes; what is written of it loads, and fails when it is called ("Function ... not found"). The cache
    is off for the whole process, so only one thread may be within it.
    """
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    config: Any = jax.config  # its settings are not typed
    config.update("jax_enable_compilation_cache", False)
    reset_cache()  # JAX decides once, until then, whether there is a cache
    try:
        yield
    finally:
        config.update("jax_enable_compilation_cache", True)
        reset_cache()


def _load(file: Path, given: Any) -> Any:
    """What a file holds; None where it is not there, is not whole, or cannot be loaded here."""
    import jax
    from jax.experimental.serialize_executable import deserialize_and_load

    data = read_checked(file)
    if data is None:
        return None
    try:
        # As much trust as JAX's own cache in the same folder asks for, whose machine code is run as it is.
        executable, outputs = pickle.loads(zlib.decompress(data))
        inputs = jax.tree.structure((given, {}))
        return deserialize_and_load(executable, inputs, outputs, execution_devices=jax.devices(_DEVICE)[:1])
    except Exception:  # noqa: BLE001 - whatever a library has against it, it can be compiled again
        return None


def _keep(file: Path, compiled: Any) -> None:
    from jax.experimental.serialize_executable import serialize

    global _able
    try:
        executable, _, outputs = serialize(compiled)
        data = zlib.compress(pickle.dumps((executable, outputs)), _QUICK)
    except Exception:  # noqa: BLE001 - another version of JAX may not be able to; from now on its own cache serves
        _able = False
        return
    with suppress(OSError):  # as JAX goes on where it cannot keep a program
        replace_checked(file, data, PRIVATE)


@cache
def _code(modules: tuple[str, ...]) -> list[str]:
    """Versions and sources of everything that compiles, and the processor."""
    return [version("jax"), version("jaxlib"), python_release(), processor(), source_digest(*modules, __name__)]


def _settings() -> list[object]:
    """What else about this process decides what is compiled: XLA divides loops among its threads."""
    import jax

    config: Any = jax.config
    values = {name: str(value) for name, value in config.values.items() if not any(place in name for place in _PLACES)}
    return [os.environ.get("XLA_FLAGS"), os.environ.get("NPROC") or len(os.sched_getaffinity(0)), values]
