"""A cache on disk of JAX executables, so that later processes need neither trace nor compile.

JAX's own cache stores compiled code under a key made from the program, which each process must first trace and lower.
For a small network that takes longer than an epoch. This cache stores the whole executable under a key made from what
the program depends on.
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

_DEVICE = "cpu"  # executables for GPUs are bound to the device they were compiled for, and tasks get different ones
_QUICK = 1  # zlib's level: a quarter of the bytes remains, read in a millisecond
_finding = threading.Lock()
_able = True  # whether this JAX can write executables
_PLACES = ("cache", "dump", "log")  # parts of the names of JAX's settings that do not affect compiled code


class Executables:
    """A JAX function that is compiled once for each shape of its arguments, by the first process that needs it.

    Within a process, JAX settings that affect compiled code must not change between calls.

    Args:
        function: A pure function of arrays and tuples of arrays, without arrays as constants.
        parts: Everything that affects compiled code, except the arguments' shapes and the modules' sources.
        modules: Names of the modules that contain the function's code.
        donated: Number of the argument whose memory the result may reuse, as in ``jax.jit``.
        options: Options of the compiler.
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
        """Number of shapes that are compiled in this process; 0 on a GPU, where JAX itself holds them."""
        return len(self._compiled)

    def __call__(self, *given: Any) -> Any:
        """Call the function with arrays and scalars of numpy or JAX."""
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
        """Load the executable that an earlier process stored, or else compile and store it."""
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
    """Turn JAX's own cache off while compiling, because an executable read from that cache cannot be serialized fully.

    Such an executable works, but its serialized form loads and then fails when called ("Function ... not found"). The
    cache is off for the whole process, so only one thread at a time may use this context.
    """
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    config: Any = jax.config  # its settings are not typed
    config.update("jax_enable_compilation_cache", False)
    reset_cache()  # JAX decides only once, until a reset, whether there is a cache
    try:
        yield
    finally:
        config.update("jax_enable_compilation_cache", True)
        reset_cache()


def _load(file: Path, given: Any) -> Any:
    """Load an executable from a file; None if the file is missing, incomplete or cannot be loaded here."""
    import jax
    from jax.experimental.serialize_executable import deserialize_and_load

    data = read_checked(file)
    if data is None:
        return None
    try:
        # This needs no more trust than JAX's own cache in the same folder, whose machine code is run as it is.
        executable, outputs = pickle.loads(zlib.decompress(data))
        inputs = jax.tree.structure((given, {}))
        return deserialize_and_load(executable, inputs, outputs, execution_devices=jax.devices(_DEVICE)[:1])
    except Exception:  # noqa: BLE001 - whatever goes wrong in a library, the function can be compiled again
        return None


def _keep(file: Path, compiled: Any) -> None:
    from jax.experimental.serialize_executable import serialize

    global _able
    try:
        executable, _, outputs = serialize(compiled)
        data = zlib.compress(pickle.dumps((executable, outputs)), _QUICK)
    except Exception:  # noqa: BLE001 - other versions of JAX may fail here; from now on only JAX's own cache is used
        _able = False
        return
    with suppress(OSError):  # like JAX, go on if the program cannot be stored
        replace_checked(file, data, PRIVATE)


@cache
def _code(modules: tuple[str, ...]) -> list[str]:
    """Return versions and sources of everything that affects compiled code, and the processor."""
    return [version("jax"), version("jaxlib"), python_release(), processor(), source_digest(*modules, __name__)]


def _settings() -> list[object]:
    """Return what else in this process affects compiled code, such as the number of threads that XLA uses for loops."""
    import jax

    config: Any = jax.config
    values = {name: str(value) for name, value in config.values.items() if not any(place in name for place in _PLACES)}
    return [os.environ.get("XLA_FLAGS"), os.environ.get("NPROC") or len(os.sched_getaffinity(0)), values]
