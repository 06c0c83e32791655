"""Compiled programs on disk; each case runs in its own process, because JAX is configured once per process."""

import os
from pathlib import Path

import pytest

from tests.processes import run_module
from textclf.training.jax import compilation_cache


def run(**environ: str) -> tuple[str, str, str]:
    """Compile in a new process; return the cache folder, the result and standard error."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XDG_"))}
    done = run_module("tests.training.compilation_cache_process", environ=own | environ)
    folder, result = done.stdout.splitlines()
    return folder, result, done.stderr


def files(folder: str | Path) -> set[Path]:
    return {path for path in Path(folder).rglob("*") if path.is_file()}


def test_programs_are_kept_and_found_again(tmp_path: Path) -> None:
    folder, result, _ = run(XDG_CACHE_HOME=str(tmp_path))
    kept = files(folder)
    assert Path(folder).is_relative_to(tmp_path / "textclf" / "jax")
    assert Path(folder).stat().st_mode & 0o077 == 0
    assert kept
    assert run(XDG_CACHE_HOME=str(tmp_path))[:2] == (folder, result)
    assert files(folder) == kept


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "textclf").write_text("a file where the folder should be", encoding="utf-8")
    folder, result, err = run(XDG_CACHE_HOME=str(tmp_path))
    assert (folder, result) == ("None", "[1, 4, 7]")
    assert "Set JAX_COMPILATION_CACHE_DIR to another folder" in err


def test_a_folder_that_others_may_write_to_is_not_read(tmp_path: Path) -> None:
    folder = Path(run(XDG_CACHE_HOME=str(tmp_path))[0])
    folder.chmod(0o770)
    found, result, err = run(XDG_CACHE_HOME=str(tmp_path))
    assert (found, result) == ("None", "[1, 4, 7]")
    assert "not only by this user" in err


def test_the_settings_of_jax_win(tmp_path: Path) -> None:
    named = str(tmp_path / "named")
    assert run(XDG_CACHE_HOME=str(tmp_path), JAX_COMPILATION_CACHE_DIR=named)[0] == named
    assert files(named)
    assert run(XDG_CACHE_HOME=str(tmp_path), JAX_ENABLE_COMPILATION_CACHE="false")[0] == "None"
    assert not (tmp_path / "textclf").exists()


def test_a_file_that_another_process_takes_away_meanwhile_stops_nothing(tmp_path: Path) -> None:
    folder = Path(run(XDG_CACHE_HOME=str(tmp_path))[0])
    (folder / "gone").symlink_to("nowhere")  # listed but missing, like a file deleted meanwhile

    found, _, err = run(XDG_CACHE_HOME=str(tmp_path))

    assert (found, err) == (str(folder), "")


def test_the_oldest_programs_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation_cache, "_LARGEST", 20)
    for age, name in enumerate(["newest", "older", "oldest"]):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))

    compilation_cache._prune(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["newest", "older"]
