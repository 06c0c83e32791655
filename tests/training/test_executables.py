"""Compiled functions that later processes find; each case in a process of its own, because JAX is set up once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CODE = """
import json, os, sys
import numpy as np
os.environ |= {"JAX_COMPILATION_CACHE_DIR": sys.argv[1]}
from textclf.training.compilations import keep_compilations
from textclf.training.executables import Executables
keep_compilations()
traced = []

def moved(state, by):
    traced.append(by.shape)
    return (state[0] + by.sum(), state[1] * 2), by * int(sys.argv[2])

import jax, jax.numpy as jnp
function = Executables(moved, sys.argv[2], ("textclf.training.executables",), donated=0)
found = []
if len(sys.argv) > 3:
    for size in (3, 4):
        jax.jit(moved, donate_argnums=0)((jnp.ones(size), jnp.arange(size)), np.ones((2, size), np.float32))
    sys.exit()
for size in (3, 3, 4):
    state = jnp.ones(size), jnp.arange(size)
    for _ in range(2):
        state, by = function(state, np.arange(2 * size, dtype=np.float32).reshape(2, size))
    found.append([part.tolist() for part in (*state, by)])
print(json.dumps([found, traced]))
"""


def program(folder: Path, *given: str, **environ: str) -> str:
    """What the code prints."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    command = [sys.executable, "-c", CODE, str(folder), *given]
    return subprocess.run(command, env=own | environ, capture_output=True, text=True, check=True).stdout


def run(folder: Path, part: int = 1, **environ: str) -> tuple[list[Any], list[Any]]:
    """Results, and the shapes for which the function was traced."""
    found, traced = json.loads(program(folder, str(part), **environ))
    return found, traced


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, list[Any]]:
    """A folder that a process has left, and what it computed."""
    found, traced = run(tmp_path)
    assert traced == [[2, 3], [2, 4]]  # once for each shape, however often it is called
    assert found == [
        [[31.0] * 3, [0, 4, 8], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]],
        [[31.0] * 3, [0, 4, 8], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]],
        [[57.0] * 4, [0, 4, 8, 12], [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]],
    ]
    return tmp_path, found


def test_a_later_process_traces_nothing_and_computes_the_same(kept: tuple[Path, list[Any]]) -> None:
    folder, found = kept
    files = sorted(folder.glob("*.executable"))
    assert len(files) == 2
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert run(folder) == (found, [])
    assert sorted(folder.glob("*.executable")) == files


def test_other_parts_or_settings_are_other_executables(kept: tuple[Path, list[Any]]) -> None:
    folder, found = kept
    for part, environ in ((2, {}), (1, {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}), (1, {"JAX_DEBUG_NANS": "1"})):
        assert run(folder, part, **environ)[1] == [[2, 3], [2, 4]]
    assert run(folder) == (found, [])


def test_a_damaged_or_foreign_file_is_compiled_again_and_replaced(kept: tuple[Path, list[Any]]) -> None:
    from textclf.files import read_checked, replace_checked

    folder, found = kept
    first, second = folder.glob("*.executable")
    for content in (b"", first.read_bytes()[:-5], second.read_bytes()[:500]):
        first.write_bytes(content)
        again, traced = run(folder)
        assert (again, len(traced)) == (found, 1)
        assert read_checked(first) is not None
    replace_checked(first, b"whole, and no executable")
    again, traced = run(folder)
    assert (again, len(traced)) == (found, 1)
    assert run(folder) == (found, [])


def test_nothing_is_kept_where_jax_keeps_nothing(tmp_path: Path) -> None:
    assert len(run(tmp_path, JAX_ENABLE_COMPILATION_CACHE="false")[1]) == 2
    assert not list(tmp_path.iterdir())


def test_a_program_in_the_cache_of_jax_is_compiled_anew(tmp_path: Path) -> None:
    """JAX gives executables back from there that are not whole once they are written again."""
    program(tmp_path, "1", "plain")
    cached = {path.name for path in tmp_path.glob("jit_moved-*")}
    assert len(cached) >= 2
    found, traced = run(tmp_path)
    assert traced == [[2, 3], [2, 4]]
    assert run(tmp_path) == (found, [])
    assert {path.name for path in tmp_path.glob("jit_moved-*")} == cached
