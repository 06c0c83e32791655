"""A daemon that imports the modules of workers before it forks them, and workers that do not notice."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pyspark
import pytest

from tests.processes import run_module
from textclf.kernels.preload import PRELOAD
from textclf.scoring.worker.models import PRELOADED

DRAWN = "tests.spark.preloaded:compile_draw"
SCORING = ["numba", "pandas", "textclf.kernels.layers", "textclf.scoring.worker.output"]
Found = dict[str, Any]


def found_with(*words: object, environ: dict[str, str] | None = None) -> Found:
    done = run_module("tests.spark.preload_process", *words, environ=os.environ | (environ or {}))
    found: Found = json.loads(done.stdout)
    assert found["user"] == [1, 2, 3]
    for worker in (*found["first"], *found["second"], *found["others"]):
        assert worker["tokens"] == (None if "tokens=no" in words else ["good", "food"])
        assert worker["one_thread"] == "1"
        assert worker["pyspark"] == str(Path(pyspark.__file__).parent / "worker.py"), "not Spark's zip"
        assert worker["variables"].keys() <= {"TEXTCLF_DATA"}, "the daemon's own variables are not the workers'"
    return found


def distinct(draws: list[Any]) -> bool:
    return len(set(draws)) == len(draws)


@pytest.fixture(scope="module")
def found() -> Found:
    return found_with(" ".join([*PRELOADED, DRAWN]), "crash=yes")


def test_workers_are_forked_with_the_modules_of_their_work_and_no_thread(found: Found) -> None:
    for worker in found["first"]:
        assert sorted(worker["held"]) == sorted(SCORING)
        assert worker["threads"] == 1


def test_workers_of_other_functions_are_not(found: Found) -> None:
    assert [worker["held"] for worker in found["others"]] == [[], []]


def test_each_worker_draws_its_own_random_numbers(found: Found) -> None:
    workers = {worker["pid"]: worker for worker in found["first"]}
    assert len(workers) == 2, "two workers at a time"
    for draws in zip(*(worker["draws"] for worker in workers.values()), strict=True):
        assert distinct(list(draws)), draws


def test_a_worker_that_crashes_reports_where(found: Found) -> None:
    assert "Segmentation fault" in found["crash"]
    assert "string_at" in found["crash"]


def test_a_worker_for_each_task_has_them_too() -> None:
    found = found_with(" ".join([*PRELOADED, DRAWN]), "spark.python.worker.reuse=false")

    workers = [*found["first"], *found["second"]]
    assert distinct([worker["pid"] for worker in workers])
    assert [sorted(worker["held"]) for worker in workers] == [sorted(SCORING)] * 4
    for draws in zip(*(worker["draws"] for worker in workers), strict=True):
        assert distinct(list(draws)), draws


@pytest.mark.parametrize("reference", ["no_module_at_all", "tests.spark.preloaded:start_thread"])
def test_a_daemon_that_cannot_preload_serves_without(reference: str) -> None:
    found = found_with(f"pandas {PRELOAD} {reference}")

    assert [worker["held"] for worker in found["first"]] == [[], []]


def test_a_cache_that_cannot_be_read_stops_no_daemon(tmp_path: Path) -> None:
    environ = {"NUMBA_CACHE_DIR": str(tmp_path)}
    compiled = found_with(PRELOAD, environ=environ)
    assert ["numba" in worker["held"] for worker in compiled["first"]] == [True, True], "nothing was compiled before"
    indexes = list(tmp_path.rglob("*.nbi"))
    assert indexes
    for index in indexes:
        index.write_bytes(b"\x80\x04damaged")

    found = found_with(PRELOAD, "tokens=no", environ=environ)  # a kernel would fail in its task, as it always does

    assert [worker["held"] for worker in found["first"]] == [[], []]


def test_a_cache_that_cannot_be_written_is_left_to_the_workers(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    environ = {"NUMBA_CACHE_DIR": str(blocked), "XDG_CACHE_HOME": str(blocked)}

    found = found_with(PRELOAD, environ=environ)

    assert ["numba" in worker["held"] for worker in found["first"]] == [True, True]


def test_modules_that_users_ship_come_before_preloaded_ones(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as packed:
        packed.writestr("colorsys.py", "SHIPPED = 'mine'\n")
        packed.writestr("textclf/__init__.py", "raise ImportError('another version')\n")

    found = found_with(f"colorsys {PRELOAD}", f"ship={tmp_path / 'mine.zip'}")

    assert [worker["shipped"] for worker in found["first"]] == ["mine", "mine"]
    assert ["numba" in worker["held"] for worker in found["first"]] == [True, True]
