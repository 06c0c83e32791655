"""Detecting the form of values takes time linear in their length, even for hostile values."""

import time

import pytest

from textclf.cli.sniff.values import kind_of

PIECES = [
    "1", "12", "123456", "jan", "mon", "at", "pst", "t", "z", "1st",
    "/", "a/", "./", "a.", ".a", "@", "a@", "a@a.", "<", "-",
    "1-", "f", "f-", " ", "1 ", "+", "(", ":", "://", "www.", ",", "1,", "e1", "'", "\\", "年", "A", "Abcd 1",
]  # fmt: skip


@pytest.mark.parametrize("end", ["", "!", "/a.b"])
@pytest.mark.parametrize("start", ["", "1", "a/", "a@"])
def test_hostile_values_take_time_in_proportion_to_their_length(start: str, end: str) -> None:
    slow = []
    for piece in PIECES:
        for size in (48, 100, 60_000):
            value = start + piece * ((size - len(start) - len(end)) // len(piece)) + end
            begun = time.thread_time()
            kind_of([value])
            if (seconds := time.thread_time() - begun) > 0.05 + size * 2e-6:
                slow.append(f"{piece!r}, {size}: {seconds:.3f} s")
                break
    assert slow == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("/var/data/a.txt", "path"), ("data/2026/part-1.txt", "path"), ("a/b.c", "path"),
        ("../x y", "path"), ("C:\\a b", "path"), ("a.b/c", None), ("good/bad. really", None),
        ("x" * 400 + "/a.txt", "path"), ("/.txt", "path"),
        ("2026-01-05T10:00:00.123456789Z", "time"), ("Tue Jan 6 22:19:45 PDT 2026", "time"), ("1st of May", None),
        ("5.1.2026 10:00", "time"), ("12 january 2026, 10:30 pm", "time"),
    ],
)  # fmt: skip
def test_forms_of_values(value: str, kind: str | None) -> None:
    assert kind_of([value]) == kind
