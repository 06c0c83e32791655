"""A week of nights as an operator sees it: which steps each night ran, and its results.

A source drifts, files grow, a night is killed, another is asked to stop, one is refused by the gate, and an earlier day
is corrected late.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.nightly.days import ROWS, write_labelled
from tests.nightly.week import MONDAY, Week
from textclf.chain.rules import STEPS

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_a_week_of_nights(week: Week) -> None:
    first_nights(week)
    killed_night(week)
    drifting_source(week)
    refused_night(week)
    late_correction(week)
    rows = 2 * ROWS
    days = [MONDAY + timedelta(days=number) for number in range(7)]
    assert week.published() == {
        **{day: (rows, 1, ROWS) for day in days if day not in (days[1], days[4], days[5])},
        days[1]: (rows, 1, 220),
        days[4]: (rows, 1, 236),
    }
    assert week.versions() == {"shop": "2", "films": "2"}
    assert week.runs() == {
        "ingest_corpus succeeded": 3,
        "build_vocabulary succeeded": 3,
        "train_model succeeded": 4,
        "score_table succeeded": 7,
        "score_table refused": 1,
        "report succeeded": 8,
        "nightly succeeded": 6,
        "nightly refused": 2,
        "nightly killed": 1,
    }
    assert week.pages() == 8


def first_nights(week: Week) -> None:
    """The first night builds everything, a repeat does nothing, and the second night only scores its day."""
    day = week.day(1)
    assert week.night(day, "--dry-run") == 0
    assert "never read" in week.plan("ingest", "shop")
    assert not (week.folder / "warehouse").exists()

    assert week.night(day) == 0, week.said
    assert week.did(*STEPS)
    assert (week.record["input_rows"], week.record["scored_rows"]) == (2 * ROWS, 2 * ROWS)
    assert (week.status["state"], week.status["exit_code"], week.status["days"]) == ("succeeded", 0, [str(day)])
    before = week.warehouse.location("results").version(week.spark), week.runs()

    assert week.night(day) == 0
    assert week.did()
    assert "from the same input, models and settings" in week.plan("score", day)
    assert week.warehouse.location("results").version(week.spark) == before[0]
    assert week.runs() == {**before[1], "nightly succeeded": 2}

    assert week.night(week.day(2)) == 0, week.said
    assert week.did("score", "report")
    assert week.pages() == 2


def killed_night(week: Week) -> None:
    """The third night is killed while scoring; the fourth scores both days and trains on the file that grew."""
    third = week.day(3)
    before = week.published()
    assert killed_at(week, third, "score") == -signal.SIGKILL
    assert week.published() == before
    assert (week.status["state"], week.status["step"]) == ("running", "score")  # a killed process cannot update it

    write_labelled(week.folder / "films.tsv", 150)
    assert week.night(week.day(4)) == 0, week.said
    assert week.did(*STEPS)
    assert "has rows and was not published" in week.plan("score", third)
    assert "corpus grew by 50.0%" in week.plan("models", "films")
    assert week.versions() == {"shop": "1", "films": "2"}
    assert week.record["details"]["days"] == {"succeeded": 2, "skipped": 0}
    assert week.runs()["nightly killed"] == 1
    assert week.status["expected_end"] is None
    assert week.pages() == 4


def killed_at(week: Week, day: date, step: str) -> int:
    """Start a night in a separate process, kill it in a step, and return its exit status."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "jobs/nightly.py", "--config", week.config, "--date", str(day)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None and (week.status["days"], week.status["step"]) != ([str(day)], step):
            time.sleep(0.02)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def drifting_source(week: Week) -> None:
    """Shop has more good texts on the fifth day: the gate passes them, and the next night retrains shop."""
    assert week.night(week.day(5, {"shop": 0.68, "films": 0.5})) == 0, week.said
    assert week.did("score", "report")
    write_labelled(week.folder / "shop.tsv", 104)  # too little growth to retrain for


def refused_night(week: Week) -> None:
    """Nearly all films are bad on the sixth day: both nights publish nothing and return the same exit code."""
    day = week.day(6, {"shop": 0.5, "films": 0.05})
    before = week.published()
    assert week.night(day) == 4
    assert week.record["status"] == "refused"
    assert "psi of labels" in week.said
    assert "drifted by an index of 0.1" in week.plan("models", "shop")
    assert [(step["step"], step["state"]) for step in week.status["steps"]] == [
        ("ingest", "done"),
        ("vocabulary", "done"),
        ("models", "done"),
        ("score", "failed"),
        ("report", "done"),
    ]
    assert (week.status["state"], week.status["exit_code"]) == ("refused", 4)
    assert week.published() == before
    assert week.versions() == {"shop": "2", "films": "2"}
    page = week.newest_page()
    assert f"0 of the {2 * ROWS} scored rows are in the results now" in page
    assert f"{day}/films" in page  # in the table of drift by slice
    assert 'alt="Labels of films' in page  # the figure compares with the week before

    assert week.night(day) == 4  # without a second scoring pass
    assert week.did()
    assert "The gate has already refused these days, and nothing has changed since." in week.said


def late_correction(week: Week) -> None:
    """The seventh night also gets a corrected second day: both are scored, and the refused day is not."""
    second = week.day(2, {"shop": 0.5, "films": 0.6})
    assert week.night(week.day(7)) == 0, week.said
    assert week.did("score", "report")
    assert "its input changed since run" in week.plan("score", second)
    assert "refused in run" in week.plan("score", MONDAY + timedelta(days=5))
    assert week.record["details"]["days"] == {"succeeded": 2, "skipped": 0}


@pytest.mark.long
def test_a_night_that_is_asked_to_stop_is_taken_up(week: Week) -> None:
    day = week.day(1)
    staged = week.folder / "warehouse/_staging"
    watcher = threading.Thread(target=stop_when, args=(staged, "*/scored/_delta_log/*0.json"))
    watcher.start()
    code = week.night(day)
    watcher.join()

    assert (code, week.record["status"], week.status["state"]) == (1, "stopped", "stopped"), week.said
    assert "start it again" in week.said
    assert len(list(staged.glob("*/scored"))) == 1
    assert not week.warehouse.location("results").exists(week.spark)

    assert week.night(day) == 0, week.said  # no lock is left
    assert week.did("score", "report")
    assert week.published() == {day: (2 * ROWS, 1, ROWS)}
    runs = week.warehouse.location("runs").read(week.spark).where("job = 'score_table'").orderBy("ended_at").collect()
    assert [row["status"] for row in runs] == ["stopped", "succeeded"]
    assert json.loads(runs[1]["details"])["published_run"] == runs[0]["run_id"]  # not scored again
    assert list(staged.glob("*")) == []


def stop_when(folder: Path, pattern: str) -> None:
    """Send SIGTERM to this process once a file matches the pattern."""
    for _ in range(60_000):
        if any(folder.glob(pattern)):
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(0.002)
