"""Programs that JAX compiled, kept for the processes that follow."""

import hashlib
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from textclf.common.atomic_files import private_folder

_LARGEST = 512 << 20  # bytes of all that is kept: of a network .1 MB of programs, .5 MB of tensors to begin with


@cache
def keep_compilations() -> None:
    """Let JAX look compiled programs up in a folder, and put new ones there; once a process.

    JAX's own settings win: ``JAX_COMPILATION_CACHE_DIR`` names another folder, ``JAX_ENABLE_COMPILATION_CACHE=false``
    keeps nothing. Where no folder can be written, nothing is kept and everything is compiled.
    """
    import jax

    config: Any = jax.config  # its settings are not typed
    if not config.jax_enable_compilation_cache:
        return
    if config.jax_compilation_cache_dir is None:
        folder = _own_folder()
        if folder is None:
            return
        config.update("jax_compilation_cache_dir", str(folder))
    # By default only what took a second is kept; a small network is many programs that take less.
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES" not in os.environ:
        config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def kept_folder() -> Path | None:
    """The folder of this process, once ``keep_compilations`` was called; None where nothing is kept in files."""
    import jax

    config: Any = jax.config
    named = config.jax_compilation_cache_dir
    if not config.jax_enable_compilation_cache or not named or "://" in str(named):
        return None
    return Path(named)


def _own_folder() -> Path | None:
    """A folder of this user for this kind of processor, made where it is missing; None where that cannot be."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "textclf" / "jax" / processor()
        if not private_folder(folder):
            raise PermissionError(f"{folder} is not writable, or not by this user alone")
        _prune(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        sys.stderr.write(f"Compiled programs are not kept: {error}. JAX_COMPILATION_CACHE_DIR names another folder.\n")
        return None
    return folder


def processor() -> str:
    """Name of the processor's kind: homes are shared between machines, and a program may use what one lacks."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:12]}"


def _prune(folder: Path) -> None:
    """Delete the oldest programs until the rest is small enough; other processes may be doing the same."""
    found = []
    for entry in folder.iterdir():
        try:
            state = entry.stat()
        except FileNotFoundError:  # another process has deleted it since, or given it its last name
            continue
        found.append((state.st_mtime, state.st_size, entry))
    total = 0
    for _, size, entry in sorted(found, reverse=True):
        total += size
        if total > _LARGEST:
            entry.unlink(missing_ok=True)
