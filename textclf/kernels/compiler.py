"""Numba's compiled code: where it is kept between processes, and what happens where numba cannot run."""

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
"""Environment variable; ``off`` takes numpy where numba would do."""

_spared = False
_INSTRUCTIONS = "textclf.kernels.simd"
_LOCATOR = "textclf.kernels.cache.SourceLocator"


@contextmanager
def without_numba() -> Iterator[None]:
    """Compute with numpy and Python inside: for a few texts loading compiled code takes longer than it saves."""
    global _spared
    before, _spared = _spared, True
    try:
        yield
    finally:
        _spared = before


def numba_runs() -> bool:
    """Whether to use numba: it can run here, and nobody asked to spare it."""
    return not _spared and _can_run()


@cache
def _can_run() -> bool:
    """Whether numba can run here; the first time that it cannot, standard error says why and what it costs."""
    reason = numba_missing()
    if reason is None:
        return True
    sys.stderr.write(
        f"textclf: numba cannot run here ({reason}). Results stay the same, computed by numpy and Python, "
        "several times slower.\n"
    )
    return False


def numba_missing() -> str | None:
    """Why numba cannot run here, None where it can."""
    if os.environ.get(OFF, "").lower() == "off":
        return f"{OFF}=off"
    try:
        import numba
    except (ImportError, OSError) as error:  # OSError: a library of LLVM that this machine cannot load
        return f"{type(error).__name__}: {error}"
    config: Any = numba.config
    return "NUMBA_DISABLE_JIT is set" if config.DISABLE_JIT else None


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, without the interpreter's lock, and keep the code for other processes.

    A kernel calls only kernels of its own module and instructions of ``lanes``: kept code is looked up by the source
    of these two alone.
    """
    import numba

    config: Any = numba.config
    given = config.CACHE_LOCATOR_CLASSES
    # Numba looks for its own place beside the source, which executors have in a zip of another path each time.
    config.CACHE_LOCATOR_CLASSES = _LOCATOR
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        config.CACHE_LOCATOR_CLASSES = given


def source_digest(*modules: str) -> str:
    """SHA-256 of the sources of modules, wherever they were imported from."""
    made = hashlib.sha256()
    for name in modules:
        loader: Any = importlib.util.find_spec(name).loader  # type: ignore[union-attr]
        made.update(loader.get_source(name).encode())
    return made.hexdigest()


def code_digest(module: str) -> str:
    """SHA-256 of what a module's kernels are compiled from."""
    return source_digest(module, _INSTRUCTIONS)


def code_name(module: str) -> str:
    """What the files of a module's compiled code have in their names: releases keep theirs side by side."""
    return f"{module}-{code_digest(module)[:12]}"


def python_release() -> str:
    """This build of Python, in eight characters."""
    return hashlib.sha256(sys.version.encode()).hexdigest()[:8]


def kept_code(*modules: str) -> dict[str, bytes]:
    """Compiled code of these modules' kernels, by file name: what a driver sends to executors."""
    names = [code_name(module) for module in modules]
    paths = [path for path in cache_folder().iterdir() if path.suffix in (".nbi", ".nbc")]
    return {path.name: path.read_bytes() for path in paths if any(name in path.name for name in names)}


def bring_code(files: Mapping[str, bytes]) -> None:
    """Put ``kept_code`` of another machine where this one lacks it.

    Numba takes code only for the processor, Python and numba that it was compiled for, and compiles otherwise.
    """
    folder = cache_folder()
    # Indices last: they name the files of code.
    for name in sorted(files, key=lambda name: name.endswith(".nbi")):
        target = folder / name
        if not target.exists():
            replace_file(target, files[name], PRIVATE)


@cache
def cache_folder() -> Path:
    """Folder of compiled code: in NUMBA_CACHE_DIR, else the user's cache, else a temporary one.

    Reading code from it runs that code, so it must be this user's alone.
    """
    release = python_release()
    given = os.environ.get("NUMBA_CACHE_DIR")
    own = Path(given, f"textclf-{release}") if given else None
    if own is not None and private_folder(own):
        return own
    # Where there is none, one of this process alone: it compiles for itself.
    return user_folder(f"numba-{release}") or Path(tempfile.mkdtemp(prefix="textclf-numba-"))
