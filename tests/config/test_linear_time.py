"""Masking takes time linear in the length of the text, even for hostile texts."""

import time
from itertools import product

import pytest

from tests.environments import environment
from textclf.common.credentials import credentials, place_without_credentials, userinfo
from textclf.common.secrets import masked

PIECES = [
    "http://", "jdbc:oracle:thin:", "jdbc:oracle:a:x/", "a", "a@", "a:", "@", "/", "?", "#", "&", "=", ";", "token",
    "?token", "&pass", "sig=", "password=", "AccountKey", "SharedAccess", "authorization", "authorization: ", "basic ",
    "\t ", "s3a.", "1+-.", "${", "${A_", "hunter2-secret", "hunter2-secre", "\\", "%40",
    "password={", ";password={a}}", "{", "}}", "password='", "'password': \"", "account.key.",
]  # fmt: skip
"""Parts of the patterns, and texts that almost match them."""
STARTS = ["", "http://h/x?", "https://ana:", "authorization", "jdbc:oracle:thin:", "x"]
SMALL, LARGE = 4_096, 32_768


def seconds(text: str) -> float:
    """Return the CPU time that this thread spends on a text, in seconds."""
    begun = time.thread_time()
    masked(text)
    place_without_credentials(text)
    list(credentials(text))
    userinfo(text)
    return time.thread_time() - begun


@pytest.mark.parametrize("start", STARTS)
def test_hostile_texts_take_time_in_proportion_to_their_length(start: str) -> None:
    slow = []
    pairs = product(PIECES[:4], PIECES[4:24:3]) if start.startswith("http:") else ()
    with environment({"SECRET": "hunter2-secret"}):
        for piece in [*PIECES, *map("".join, pairs)]:
            small, large = (start + piece * (size // len(piece)) for size in (SMALL, LARGE))
            # Quadratic time would be 64 times as long and take seconds; times too short to compare are ignored.
            long = seconds(large)
            if long > 0.1:
                short = min(seconds(small) for _ in range(3))
                long = min(long, seconds(large))
                if long > 24 * short or long > 3:
                    slow.append(f"{piece!r}: {short:.3f} s, {long:.3f} s")
    assert slow == []


@pytest.mark.parametrize("name", ["http://h/x?" + "token" * 4000, "http://h/x?" + "a" * 300_000 + "token"])
def test_a_long_name_of_a_parameter_is_still_looked_at(name: str) -> None:
    begun = time.thread_time()
    assert masked(f"{name}=geheim&y=1") == f"{name}=***&y=1"
    assert time.thread_time() - begun < 0.5


def test_a_long_name_without_a_value_stays_and_is_soon_done_with() -> None:
    text = "http://h/x?" + "token" * 8000
    begun = time.thread_time()
    assert masked(text) == text
    assert time.thread_time() - begun < 0.5
