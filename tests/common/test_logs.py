"""Log lines for programs: the fields that they have, and what they never disclose."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from textclf.common import logs
from textclf.common.logs import identify, say, say_error, use_format, within
from textclf.errors import InputError

SECRET = "a text of a customer"


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    identify("score_table", "20260131T000000-1a2b3c4d")
    yield
    use_format("text")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def fail() -> None:
    raise ValueError(f"could not convert\n{SECRET}")


def test_a_line_says_which_run_step_source_and_day(capsys: pytest.CaptureFixture[str]) -> None:
    use_format("json")
    with within(step="score", day="2026-01-31", source=None):
        say("10 rows scored", source="yelp")
    say("done")

    first, second = lines(capsys)
    assert {key: first[key] for key in ("level", "job", "run_id", "step", "day", "source", "message")} == {
        "level": "info", "job": "score_table", "run_id": "20260131T000000-1a2b3c4d", "step": "score",
        "day": "2026-01-31", "source": "yelp", "message": "10 rows scored",
    }  # fmt: skip
    assert "step" not in second
    assert second["time"].endswith("+00:00")


def test_an_error_of_ours_is_told_in_full_any_other_without_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    use_format("json")
    say_error(InputError("The input cannot be read.", expected="a table"))
    with pytest.raises(ValueError, match="could not convert") as raised:
        fail()
    say_error(raised.value)

    ours, other = lines(capsys)
    assert (ours["level"], ours["message"]) == ("error", "The input cannot be read.\n  expected: a table")
    assert other["message"] == "ValueError: could not convert"
    assert "test_logs.py" in other["code"]
    assert SECRET not in json.dumps(other)


def test_people_read_lines_and_the_environment_decides(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_format(None)
    say("done")
    say_error(InputError("No."))
    assert capsys.readouterr().err == "done\nscore_table: No.\n"

    monkeypatch.setenv(logs.VARIABLE, "json")
    use_format("text")
    say("done")
    assert lines(capsys)[0]["message"] == "done"
