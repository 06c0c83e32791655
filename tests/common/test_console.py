"""Lines of a run's steps at a real terminal: what they say, what stays, and who never gets one."""

import re
import sys
from pathlib import Path

import pytest

from tests.factories.terminals import Session, at_terminal
from textclf.common.console import Step
from textclf.common.console.step_line import step_line

WIDTHS = [80, 40]
_SPINNER = re.compile("^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ")


def run(what: str, columns: int = 80, **given: object) -> Session:
    command = [sys.executable, "-m", "tests.common.console_process", what]
    return at_terminal(command, columns, **given)  # type: ignore[arg-type]  # as the caller has them


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_step_moves_and_leaves_one_line(columns: int) -> None:
    done = run("rows", columns)

    moving = [line for line in done.drawn if _SPINNER.match(line)]
    if columns == 80:
        assert any(
            re.search(r"score +[\d,]+ of 2,000,000 rows  [\d,]+ rows/s  0:\d\d left(  a note)?$", each)
            for each in moving
        )
    else:
        assert any(re.search(r"score +\d+%  [\d.]+k/s  0:\d\d left$", each) for each in moving)
    assert len(set(moving)) >= 5
    (left,) = done.shown
    assert re.fullmatch(r"✓ score +(2,000,000|2M) rows  [\d.]+ s(  a note)?", left)


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("what", ["rows", "nested", "beside", "failing", "tasks"])
def test_no_line_is_longer_than_the_terminal(what: str, columns: int) -> None:
    done = run(what, columns)

    assert done.drawn
    assert all(len(line) < columns for line in done.drawn)


def test_a_step_inside_another_leaves_no_line() -> None:
    done = run("nested")

    assert any("  search      3 of 45 trials" in line for line in done.drawn)
    assert [re.sub(r"[\d.]+ s", "SECONDS", line) for line in done.shown] == ["✓ models        SECONDS"]


def test_steps_side_by_side_have_a_line_each() -> None:
    done = run("beside")

    assert sorted(line[:12] for line in done.shown) == ["✓ 2026-01-31", "✓ 2026-02-01"]


def test_a_step_that_fails_says_so_and_the_terminal_is_left_as_it_was() -> None:
    done = run("failing")

    assert done.code == 3
    assert done.shown[0].startswith("✗ ingest ")
    assert "\x1b[?25l" not in done.written  # a killed process could not show the cursor again


def test_a_terminal_that_is_closed_is_no_error() -> None:
    done = run("lost")

    assert done.code == 0
    assert done.shown[-1].endswith("done")


def test_messages_stand_above_the_line_and_long_ones_stay_whole() -> None:
    for columns in WIDTHS:
        done = run("messages", columns)
        first, second, third, fourth = done.shown
        assert first == "a message with " + "/a/long/path" * 12
        assert second == "a library's line"
        assert third.startswith("✓ ingest")
        assert fourth == "an error"
        assert {"\x1b[33m", "\x1b[31m", "\x1b[32m"} <= done.colours


def test_without_colours_where_the_environment_says_so() -> None:
    done = run("messages", environ={"NO_COLOR": "1"})

    assert not {code for code in done.colours if re.search(r"[\[;][349]\dm", code)}
    assert len(done.shown) == 4


@pytest.mark.parametrize("what", ["in_json", "for_programs"])
def test_programs_get_no_line(what: str) -> None:
    done = run(what)

    assert "\x1b" not in done.written
    assert "✓" not in done.written
    assert "a library's line" in done.written


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_messages() -> None:
    done = run("messages", environ={"TERM": "dumb"})

    assert "\x1b" not in done.written
    assert len(done.shown) == 3


def test_a_file_gets_messages_only(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run("messages", error=log)

    assert done.written == ""
    lines = log.read_text().splitlines()
    assert [line[:10] for line in lines] == ["a message ", "a library'", "an error"]
    assert "\x1b" not in log.read_text()


def test_a_terminal_without_unicode_gets_ascii() -> None:
    done = run("rows", environ={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})

    assert done.written.isascii()
    assert done.shown[0].startswith("+ score")


@pytest.mark.parametrize("width", range(1, 100))
def test_a_line_fits_any_width(width: int) -> None:
    for name in ("ingest", "東京" * 20, "a\x1b[2Jb"):
        step = Step(name, done=12_345_678, total=98_765_432, note="東京 " * 30, depth=1)
        step.begun = step.counting = step.begun - 4000
        for state in ("running", "done", "failed"):
            step.state = state
            line = step_line(step, width)
            assert line.cell_len <= width
            assert "\x1b" not in line.plain
