"""Secrets in a trial's error: workers do not know them, so the driver masks the message before it truncates it."""

import pytest

from textclf.common import secrets
from textclf.search.trial import FAILED, Result, cut_words

SECRET = "s3cr3t-value-of-the-environment"


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_KNOWN", "_VALUES", "_FORMS", "_PATTERN"):
        monkeypatch.setattr(secrets, name, {})
    secrets.remember("TOKEN", SECRET)


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize("at", [*range(960, 1005), 99_960, 99_980, 99_999])
def test_no_part_of_a_secret_is_told_wherever_the_error_is_cut(at: int) -> None:
    worker = cut_words("x" * (at - 1) + " " + SECRET + " y" * 100_000)
    assert len(worker) <= 100_000
    said = Result("key", FAILED, 0.0, 0.0, error=worker).said
    assert said is not None
    assert len(said) <= 1000
    assert SECRET[:4] not in said


def test_an_error_without_a_blank_says_nothing_rather_than_a_part() -> None:
    assert cut_words("x" * 200_000) == ""
    assert cut_words("short") == "short"
