"""Numba's compiled code: its cache on disk, and the fallback where numba cannot run."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from textclf.common.atomic_files import PRIVATE, private_folder, replace_file, user_folder

OFF = "TEXTCLF_NUMBA"
"""Environment variable; ``off`` uses numpy instead of numba."""

_spared = False
_INSTRUCTIONS = "textclf.kernels.simd"
_LOCATOR = "textclf.kernels.cache.SourceLocator"


@contextmanager
def without_numba() -> Iterator[None]:
    """Use numpy and Python within the context: for a few texts, loading compiled code takes longer than it saves."""
    global _spared
    before, _spared = _spared, True
    try:
        yield
    finally:
        _spared = before


def numba_runs() -> bool:
    """Whether to use numba: it can run here, and ``without_numba`` is not active."""
    return not _spared and _can_run()


@cache
def _can_run() -> bool:
    """Whether numba can run here; if it cannot, the first call says why on standard error, and at what cost."""
    reason = numba_missing()
    if reason is None:
        return True
    sys.stderr.write(
        f"textclf: numba cannot run here ({reason}). Results are the same, but numpy and Python compute them "
        "several times slower.\n"
    )
    return False


def numba_missing() -> str | None:
    """Return why numba cannot run here; None if it can."""
    if os.environ.get(OFF, "").lower() == "off":
        return f"{OFF}=off"
    try:
        import numba
    except (ImportError, OSError) as error:  # OSError: this machine cannot load LLVM's library
        return f"{type(error).__name__}: {error}"
    config: Any = numba.config
    return "NUMBA_DISABLE_JIT is set" if config.DISABLE_JIT else None


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, to run without the interpreter lock, and cache the code on disk.

    A kernel may call only kernels of its own module and instructions of ``simd``, because cached code is looked up only
    by the source of these two.
    """
    import numba

    config: Any = numba.config
    given = config.CACHE_LOCATOR_CLASSES
    # Numba's own cache is beside the source, which on executors is a zip with a different path in each run.
    config.CACHE_LOCATOR_CLASSES = _LOCATOR
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        config.CACHE_LOCATOR_CLASSES = given


def source_digest(*modules: str) -> str:
    """Compute SHA-256 of the sources of modules, wherever they were imported from."""
    made = hashlib.sha256()
    for name in modules:
        loader: Any = importlib.util.find_spec(name).loader  # type: ignore[union-attr]
        made.update(loader.get_source(name).encode())
    return made.hexdigest()


def code_digest(module: str) -> str:
    """Compute SHA-256 of the sources from which a module's kernels are compiled."""
    return source_digest(module, _INSTRUCTIONS)


def code_name(module: str) -> str:
    """Return the part of the names of a module's compiled files that keeps releases apart."""
    return f"{module}-{code_digest(module)[:12]}"


def python_release() -> str:
    """Return eight characters that identify this build of Python."""
    return hashlib.sha256(sys.version.encode()).hexdigest()[:8]


def kept_code(*modules: str) -> dict[str, bytes]:
    """Read the compiled code of modules' kernels, by file name, for the driver to send to executors."""
    names = [code_name(module) for module in modules]
    paths = [path for path in cache_folder().iterdir() if path.suffix in (".nbi", ".nbc")]
    return {path.name: path.read_bytes() for path in paths if any(name in path.name for name in names)}


def bring_code(files: Mapping[str, bytes]) -> None:
    """Add another machine's ``kept_code`` to the cache of this one.

    Numba uses code only with the processor, Python and numba that it was compiled for, and otherwise compiles again.
    """
    folder = cache_folder()
    # Indexes come last, since they refer to the files of code.
    for name in sorted(files, key=lambda name: name.endswith(".nbi")):
        target = folder / name
        if not target.exists():
            replace_file(target, files[name], PRIVATE)


@cache
def cache_folder() -> Path:
    """Return the folder of compiled code: in NUMBA_CACHE_DIR, else in the user's cache, else a temporary one.

    Code in the folder is run when it is loaded, so only this user may be able to write to it.
    """
    release = python_release()
    given = os.environ.get("NUMBA_CACHE_DIR")
    own = Path(given, f"textclf-{release}") if given else None
    if own is not None and private_folder(own):
        return own
    # Without a cache of the user, this process compiles into a folder of its own.
    return user_folder(f"numba-{release}") or Path(tempfile.mkdtemp(prefix="textclf-numba-"))
