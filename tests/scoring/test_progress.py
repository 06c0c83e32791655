"""The steps of a scoring pass at a terminal."""

import re

from tests.factories.terminals import terminal_here
from tests.scoring.scoring import DAY, OPEN_GATE, ROUTED, Scoring
from textclf.common.console import Step

ROWS = [(at, "good food", "yelp", DAY) for at in range(40)]


def test_rows_are_counted_by_the_workers_while_the_pass_runs(scoring: Scoring, monkeypatch: object) -> None:
    scoring.configure(ROUTED + OPEN_GATE)
    path = scoring.write(ROWS, "id long, text string, source string, ds date")
    told: list[float] = []
    update = Step.update

    def listen(step: Step, done: float, *args: object, **given: object) -> None:
        told.append(done)
        update(step, done, *args, **given)  # type: ignore[arg-type]  # as they were given

    monkeypatch.setattr(Step, "update", listen)  # type: ignore[attr-defined]
    with terminal_here() as sessions:
        run = scoring.score(path)

    assert run.scored_rows == 40
    assert told[-1] == 40
    assert len(told) >= 2  # by workers, and at the end
    shown = [re.sub(r"[\d.]+ s$", "TIME", line) for line in sessions[0].shown]
    assert shown == ["✓ plan          TIME", "✓ score         40 rows  TIME", "✓ publish       TIME"]
