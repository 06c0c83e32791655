"""Compiled functions reused by later processes; each case has its own process, as JAX is configured once."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.processes import run_module
from textclf.common.atomic_files import read_checked, replace_checked

BOTH = [[2, 3, "float32"], [2, 4, "float32"]]
FIRST = [[31.0] * 3, [0, 4, 8], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]
SECOND = [[57.0] * 4, [0, 4, 8, 12], [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]]
FOUND = [FIRST, FIRST, SECOND]


def run(folder: Path, part: int = 1, what: str = "", **environ: str) -> tuple[list[Any], list[Any]]:
    """Call the function in a new process; return the results and the traced shapes."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
    environ = own | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(folder)} | environ
    done = run_module("tests.training.executable_cache_process", part, what, environ=environ)
    found, traced = json.loads(done.stdout or "[[], []]")
    return found, traced


def files(folder: Path, pattern: str = "*.executable") -> set[Path]:
    return set(folder.glob(pattern))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return the cache folder after a first process."""
    assert run(tmp_path) == (FOUND, BOTH)  # traced once per shape, however often it is called
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
    """Executables that JAX loads from its cache are incomplete when serialized again, so they are recompiled."""
    run(tmp_path, what="plain")
    cached = files(tmp_path, "jit_moved-*")
    assert len(cached) >= 2
    assert run(tmp_path, what=what)[1] == BOTH
    assert run(tmp_path) == (FOUND, [])
    assert files(tmp_path, "jit_moved-*") == cached


def test_where_executables_cannot_be_written_the_cache_of_jax_serves(tmp_path: Path) -> None:
    assert run(tmp_path, what="unable") == (FOUND, BOTH)
    assert not files(tmp_path)
    assert files(tmp_path, "jit_moved-*")  # JAX's cache is used from the second shape on
