"""Text that is shown on a terminal has no control characters, whatever its source."""

import io
import json
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories.terminals import acted_on
from textclf.cli.output import cell, write_json, write_lines, write_table
from textclf.common.logs import say, say_error, use_format
from textclf.common.terminal import json_text, toml_text, visible
from textclf.errors import InputError

ACTING = [
    "\x1b[2J",
    "\x9b31m",
    "\x07",
    "\x08",
    "\x7f",
    "\r",
    "\x85",
    "\u202eabc",
    "\u2066",
    "\u200f",
    "\u2028",
    "\u2029",
    "\0",
    "\ufeff",
    "\U000e0041",
    "\udce9",
    "\x1b]0;title\x07",
]
HARMLESS = ["größe", "東京", "e\u0301", "👩\u200d👧", "a b", "\\n", "‰"]


def to_a_line(text: str) -> None:
    write_lines(visible(text))


def to_a_table(text: str) -> None:
    write_table((text, "n"), [(text, 1)])


def to_json(text: str) -> None:
    write_json({text: text})


def to_a_message(text: str) -> None:
    say(f"source {text}: done")


def to_an_error(text: str) -> None:
    say_error(InputError("No.", received=text))


def to_a_trace(text: str) -> None:
    say_error(ValueError(text))


@pytest.mark.parametrize("text", ACTING)
@pytest.mark.parametrize("way", [to_a_line, to_a_table, to_json, to_a_message, to_an_error, to_a_trace])
@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_a_terminal_acts_on_goes_out(
    way: Callable[[str], None], text: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    use_format(form)
    try:
        way(f"a{text}b")
    finally:
        use_format("text")
    out, err = capsys.readouterr()
    assert acted_on(out + err) == []
    assert "\\" in out + err  # the characters are shown as escapes


@pytest.mark.parametrize("text", HARMLESS)
def test_texts_in_any_writing_are_shown_as_they_are(text: str) -> None:
    assert visible(text) == text == cell(text)


@settings(deadline=None)
@given(st.text())
def test_json_is_still_json_whatever_the_encoding(text: str) -> None:
    value = {"a": [text], text: 1}
    for encoding in ("utf-8", "ascii", "latin-1"):
        written = json_text(value, stream=io.TextIOWrapper(io.BytesIO(), encoding=encoding), indent=1)
        assert json.loads(written) == value
        assert acted_on(written) == []
        if encoding != "utf-8":
            assert written.isascii()


@settings(deadline=None)
@given(st.text())
def test_a_text_is_shown_on_one_line(text: str) -> None:
    assert visible(text).isprintable() or acted_on(visible(text)) == []
    assert len(visible(text).splitlines()) <= 1
    assert acted_on(toml_text(text)) == []


def test_a_stream_that_cannot_be_asked_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    write_json({"a": "é"})
    assert out.getvalue() == '{"a": "é"}\n'
