"""A cache on disk of the programs that JAX compiled, for later processes."""

import hashlib
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from textclf.common.atomic_files import private_folder

_LARGEST = 512 << 20  # bytes of the cache: a network takes .1 MB of programs and .5 MB of initial tensors


@cache
def keep_compilations() -> None:
    """Make JAX look up compiled programs in a folder and store new ones there; takes effect once per process.

    JAX's own settings take precedence: ``JAX_COMPILATION_CACHE_DIR`` names another folder, and
    ``JAX_ENABLE_COMPILATION_CACHE=false`` turns the cache off. If the folder is not writable, every program is compiled
    and none is stored.
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
    # By default JAX stores only programs that took a second to compile; a small network is many that take less.
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES" not in os.environ:
        config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def kept_folder() -> Path | None:
    """Return the folder of the cache, after ``keep_compilations`` was called; None if there is none on disk."""
    import jax

    config: Any = jax.config
    named = config.jax_compilation_cache_dir
    if not config.jax_enable_compilation_cache or not named or "://" in str(named):
        return None
    return Path(named)


def _own_folder() -> Path | None:
    """Return this user's folder for this kind of processor, created if needed; None if it cannot be created."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "textclf" / "jax" / processor()
        if not private_folder(folder):
            raise PermissionError(f"{folder} is not writable, or not only by this user")
        _prune(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        sys.stderr.write(f"Compiled programs are not kept: {error}. Set JAX_COMPILATION_CACHE_DIR to another folder.\n")
        return None
    return folder


def processor() -> str:
    """Return a name of the processor's kind: machines share homes, and a program may need features that one lacks."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:12]}"


def _prune(folder: Path) -> None:
    """Delete the oldest programs until the rest is small enough; other processes may do the same at the same time."""
    found = []
    for entry in folder.iterdir():
        try:
            state = entry.stat()
        except FileNotFoundError:  # another process has deleted it, or renamed it to its final name
            continue
        found.append((state.st_mtime, state.st_size, entry))
    total = 0
    for _, size, entry in sorted(found, reverse=True):
        total += size
        if total > _LARGEST:
            entry.unlink(missing_ok=True)
