"""The published scores of a source that loses its model are not silently replaced by rejects."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest

from textclf.config import Gate
from textclf.quality.audit import Figures
from textclf.quality.gate import judge, refusal
from textclf.quality.score_bins import BINS
from textclf.runs.history import Publication
from textclf.scoring.lost_models import lost_models
from textclf.storage.publish import Slice

FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)


def scored(source: str | None, ds: date | None) -> Figures:
    return Figures(Slice(ds, source), labels=Counter({"1": 5}), scores=[5] + [0] * (BINS - 1))


def rejects(source: str | None, ds: date | None, **reasons: int) -> Figures:
    return Figures(Slice(ds, source), Counter(reasons))


def run(run_id: str, *slices: Figures) -> Publication:
    return Publication(run_id, datetime.now(UTC), None, None, slices)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (rejects("yelp", FIRST, no_model=5), [], None),  # it never had a model
        (rejects("yelp", FIRST, no_model=5), [run("a", scored("yelp", FIRST))], "a"),  # would replace scores
        (rejects("yelp", SECOND, no_model=5), [run("a", scored("yelp", FIRST))], "a"),  # a new day
        (rejects("yelp", None, no_model=5), [run("a", scored("yelp", None))], "a"),
        (rejects("yelp", SECOND, null_text=5), [run("a", scored("yelp", FIRST))], None),  # it still has its model
        (scored("yelp", SECOND), [run("a", scored("yelp", FIRST))], None),
        (rejects(None, FIRST, no_model=5), [run("a", rejects(None, FIRST, no_model=5))], None),
        (rejects("trec", FIRST, no_model=5), [run("a", scored("yelp", FIRST))], None),
        # After rejects were published by hand, later days pass, and published scores stay protected.
        (
            rejects("yelp", SECOND, no_model=5),
            [run("b", rejects("yelp", FIRST, no_model=5)), run("a", scored("yelp", FIRST))],
            None,
        ),
        (
            rejects("yelp", FIRST, no_model=5),
            [run("b", rejects("yelp", SECOND, no_model=5)), run("a", scored("yelp", FIRST))],
            "a",
        ),
        # A day with only null texts does not show whether a model exists.
        (
            rejects("yelp", SECOND, no_model=5),
            [run("b", rejects("yelp", FIRST, null_text=5)), run("a", scored("yelp", FIRST))],
            "a",
        ),
    ],
)
def test_a_source_that_has_scores_and_no_model_is_found(
    now: Figures, before: Sequence[Publication], expected: str | None
) -> None:
    assert lost_models([now], before).get(now.slice) == expected


def test_the_gate_refuses_it_and_says_what_to_do() -> None:
    found = [rejects("yelp", SECOND, no_model=5), scored("trec", SECOND)]
    lost = lost_models(found, [run("a", scored("yelp", FIRST))])
    gate = Gate(max_rejects=1.0)
    report = judge(found, gate, input_rows=10, repeated=None, published={}, tested={}, lost=lost)
    (check,) = report.failed
    assert (check.title, check.received) == (
        "lost_model of 2026-01-02/yelp",
        "5 rows without a model; run a published scores of this source",
    )
    message = str(refusal(report, "r", "staging"))
    assert "restore the source's model with train_model or textclf models promote" in message
    assert "--publish-anyway r --reason TEXT" in message
