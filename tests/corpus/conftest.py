"""Both ways in which Spark finds the blocks of rows."""

import pytest

from textclf.corpus import publication


@pytest.fixture(params=["literals", "join"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Spark find the blocks of rows as it does with few blocks, and as with many."""
    monkeypatch.setattr(publication, "MOST_IN_THE_PLAN", {"literals": 1000, "join": 0}[request.param])
