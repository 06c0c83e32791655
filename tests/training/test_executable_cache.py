"""Compiled functions that later processes find; each case in a process of its own, because JAX is set up once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from textclf.common.atomic_files import read_checked, replace_checked

CODE = """
import json, os, sys, threading
import numpy as np
folder, part, what = sys.argv[1:]
os.environ |= {"JAX_COMPILATION_CACHE_DIR": folder}
from textclf.training.jax import executable_cache as executables
from textclf.training.jax.compilation_cache import keep_compilations
keep_compilations()
import jax, jax.numpy as jnp
traced = []

def moved(state, by):
    traced.append([*by.shape, by.dtype.name])
    return (state[0] + by.sum(), state[1] * 2), by * int(part)

def given(size, dtype=np.float32):
    return (jnp.ones(size), jnp.arange(size)), np.arange(2 * size).reshape(2, size).astype(dtype)

if what == "plain":
    for size in (3, 4):
        jax.jit(moved, donate_argnums=0)(*given(size))
    sys.exit()
if what == "unable":
    def serialize(compiled):
        raise NotImplementedError
    import jax.experimental.serialize_executable as module
    module.serialize = serialize
options = {"xla_backend_optimization_level": "1"} if what == "options" else None
modules = ("textclf.common.atomic_files",) if what == "modules" else ()
function = executables.Executables(moved, part, modules, donated=0, options=options)
found = []

def call(size, dtype=np.float32):
    state, by = given(size, dtype)
    for _ in range(2):
        before, (state, by) = state, function(state, by)
        assert all(each.is_deleted() for each in before), "the memory of the state was not given away"
    found.append([part.tolist() for part in (*state, by)])

if what == "threads":
    threads = [threading.Thread(target=call, args=(size,)) for size in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
elif what == "whole numbers":
    call(3, np.int32)
else:
    for size in (3, 3, 4):
        call(size)
print(json.dumps([sorted(found), sorted(traced)]))
"""
BOTH = [[2, 3, "float32"], [2, 4, "float32"]]
FIRST = [[31.0] * 3, [0, 4, 8], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]
SECOND = [[57.0] * 4, [0, 4, 8, 12], [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]]
FOUND = [FIRST, FIRST, SECOND]


def run(folder: Path, part: int = 1, what: str = "", **environ: str) -> tuple[list[Any], list[Any]]:
    """Results, and the shapes for which the function was traced."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    command = [sys.executable, "-c", CODE, str(folder), str(part), what]
    environ = own | {"JAX_PLATFORMS": "cpu"} | environ
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    found, traced = json.loads(done.stdout or "[[], []]")
    return found, traced


def files(folder: Path, pattern: str = "*.executable") -> set[Path]:
    return set(folder.glob(pattern))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder that a process has left."""
    assert run(tmp_path) == (FOUND, BOTH)  # traced once for each shape, however often it is called
    return tmp_path


def test_a_later_process_traces_nothing_and_computes_the_same(kept: Path) -> None:
    before = files(kept)
    assert len(before) == 2
    assert {file.stat().st_mode & 0o777 for file in before} == {0o600}
    assert run(kept) == (FOUND, [])
    assert run(kept, what="threads") == ([FIRST, SECOND], [])
    assert files(kept) == before


def test_whatever_decides_what_is_compiled_makes_another_executable(kept: Path) -> None:
    assert run(kept, 2)[1] == BOTH
    for what in ("options", "modules"):
        assert run(kept, what=what) == (FOUND, BOTH)
    for name, value in (
        ("XLA_FLAGS", "--xla_cpu_enable_fast_math=true"),
        ("JAX_DEFAULT_MATMUL_PRECISION", "highest"),
        ("NPROC", "64"),
    ):
        assert run(kept, 1, "", **{name: value}) == (FOUND, BOTH)
    assert run(kept, what="whole numbers")[1] == [[2, 3, "int32"]]
    assert run(kept) == (FOUND, [])


def test_a_damaged_or_foreign_file_is_compiled_again_and_replaced(kept: Path) -> None:
    first, second = files(kept)
    for content in (b"", first.read_bytes()[:-5], second.read_bytes()[:500]):
        first.write_bytes(content)
        again, traced = run(kept)
        assert (again, len(traced)) == (FOUND, 1)
        assert read_checked(first) is not None
    replace_checked(first, b"whole, and no executable")
    again, traced = run(kept)
    assert (again, len(traced)) == (FOUND, 1)
    assert run(kept) == (FOUND, [])


def test_nothing_is_kept_where_jax_keeps_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, JAX_ENABLE_COMPILATION_CACHE="false") == (FOUND, BOTH)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["", "threads"])
def test_a_program_in_the_cache_of_jax_is_compiled_anew(tmp_path: Path, what: str) -> None:
    """JAX gives executables back from there that are not whole once they are written again."""
    run(tmp_path, what="plain")
    cached = files(tmp_path, "jit_moved-*")
    assert len(cached) >= 2
    assert run(tmp_path, what=what)[1] == BOTH
    assert run(tmp_path) == (FOUND, [])
    assert files(tmp_path, "jit_moved-*") == cached


def test_where_executables_cannot_be_written_the_cache_of_jax_serves(tmp_path: Path) -> None:
    assert run(tmp_path, what="unable") == (FOUND, BOTH)
    assert not files(tmp_path)
    assert files(tmp_path, "jit_moved-*")  # from the second shape on
