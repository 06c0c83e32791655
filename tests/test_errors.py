"""The message of an error shows its parts, which are also attributes."""

from textclf.errors import InputError


def test_an_error_has_what_it_says() -> None:
    error = InputError("No such x.", received="a\nb: what to do: nothing", expected=3, fix="take another")
    assert (error.problem, error.received, error.expected, error.fix) == (
        "No such x.", "a\nb: what to do: nothing", 3, "take another",
    )  # fmt: skip
    assert str(error) == (
        "No such x.\n  received: a\nb: what to do: nothing\n  expected: 3\n  what to do: take another"
    )
    bare = InputError("No.")
    assert (bare.received, bare.expected, bare.fix, str(bare)) == (None, None, None, "No.")
