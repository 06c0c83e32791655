"""The rules by which a night decides what to do, applied to given figures."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from textclf.chain.earlier_runs import Done, Past
from textclf.chain.model_rules import Drift, ModelFacts, drift_of, model_reasons
from textclf.chain.rules import day_decisions, ingest_decisions, vocabulary_decision
from textclf.config import Gate, Nightly
from textclf.quality.audit import Figures
from textclf.quality.score_bins import BINS
from textclf.runs.history import Publication
from textclf.scoring.marks import Mark
from textclf.storage.publish import Slice

NIGHT = date(2026, 1, 31)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def done(minutes: int = 0, **figures: Any) -> Done:
    at = NOON + timedelta(minutes=minutes)
    return Done(f"run{minutes}", "a job", at, at + timedelta(seconds=30), figures)


def facts(**other: Any) -> ModelFacts:
    usual: dict[str, Any] = {
        "source": "s", "version": "2", "champion": "2", "rows": 1000, "built": done(night="2026-01-30"),
        "corpus_rows": 1000, "drift": None,
    }  # fmt: skip
    return ModelFacts(**(usual | other))


@pytest.mark.parametrize(
    ("other", "rule", "expected"),
    [
        ({}, {}, []),
        ({"version": None, "champion": None}, {}, ["no model yet"]),
        ({"built": done(night="2026-01-24")}, {}, ["built 7 days ago (every 7)"]),
        ({"built": done(night="2026-01-24")}, {"every_days": 0}, []),
        ({"built": done(night="2026-02-14")}, {}, []),  # this night is of an earlier day
        ({"built": None}, {}, ["no record of a build"]),
        ({"corpus_rows": 1099}, {}, []),
        ({"corpus_rows": 1100}, {}, ["corpus grew by 10.0% (from 10.0% on)"]),
        ({"corpus_rows": 9000}, {"min_growth": float("inf")}, []),
        ({"corpus_rows": None}, {}, []),
        ({"drift": Drift(NIGHT, 0.1, 7)}, {}, []),
        ({"drift": Drift(NIGHT, 0.2, 7)}, {}, ["2026-01-31 drifted by an index of 0.2 (at most 0.1)"]),
        ({"drift": Drift(NIGHT, 9.0, 7)}, {"max_psi": float("inf")}, []),
    ],
)
def test_a_model_is_built_anew_when_the_rule_says_so(
    other: dict[str, Any], rule: dict[str, Any], expected: list[str]
) -> None:
    assert model_reasons(facts(**other), Nightly(**rule), NIGHT) == expected


def test_a_file_is_read_again_when_it_is_another() -> None:
    known = {"same": done(fingerprint="a"), "other": done(fingerprint="b"), "by hand": done()}
    found = ingest_decisions(dict.fromkeys(["same", "other", "by hand", "new"], "a"), known)
    assert [(decision.subject, decision.due) for decision in found] == [
        ("same", False), ("other", True), ("by hand", True), ("new", True),
    ]  # fmt: skip


def test_a_vocabulary_is_that_of_the_corpus_read_before_it_with_the_same_split() -> None:
    earlier, later = done(0, settings="x"), done(5, settings="x")
    assert vocabulary_decision("s", Past(), "x").due
    assert not vocabulary_decision("s", Past(ingested={"s": earlier}, counted={"s": later}), "x").due
    assert vocabulary_decision("s", Past(ingested={"s": later}, counted={"s": earlier}), "x").due
    assert vocabulary_decision("s", Past(ingested={"s": earlier}, counted={"s": later}), "y").due


def publication(day: date, good: int, run: int = 0, version: str = "2", **other: Any) -> Publication:
    figures = Figures(Slice(day, "s"), labels=Counter({"1": good, "0": 1000 - good}), scores=[1000] + [0] * (BINS - 1))
    at = NOON + timedelta(days=day.toordinal() - NIGHT.toordinal(), minutes=run)
    return Publication(f"run{run}", at, day, None, (figures,), models={f"s@{version}": "digest"}, **other)


def days_ago(count: int) -> date:
    return NIGHT - timedelta(days=count)


def test_drift_is_from_the_first_days_of_the_model_in_use_to_the_newest() -> None:
    before = [publication(days_ago(count), 500) for count in range(2, 6)]
    steady, moved = publication(days_ago(1), 520), publication(days_ago(1), 800)
    gate = Gate(history=2)

    assert drift_of("s", "2", before[:1], gate) is None  # nothing to compare with
    assert drift_of("t", "2", [moved, *before], gate) is None
    quiet, loud = drift_of("s", "2", [steady, *before], gate), drift_of("s", "2", [moved, *before], gate)
    assert quiet == Drift(days_ago(1), 0.0, 2)  # no more than chance explains
    assert loud is not None
    assert loud.value == pytest.approx(0.3 * 1.3863, rel=0.01)
    # Days of another model are not compared, and a day that was scored again counts once, with its newest figures.
    older = [publication(days_ago(count), 100, version="1") for count in range(2, 6)]
    assert drift_of("s", "2", [moved, *older], gate) is None
    assert drift_of("s", "2", [steady, moved, *before], gate) == quiet


def mark(content: str, models: str = "m") -> Mark:
    return Mark(content, f"{content} {models}")


def ran(day: date, content: str | None, models: str = "m", run: int = 0) -> Publication:
    return Publication(f"run{run}", NOON + timedelta(minutes=run), day, f"{content} {models}", (), input_digest=content)


@pytest.mark.parametrize(
    ("now", "published", "refused", "due", "reason"),
    [
        (None, None, None, True, "it is not known whether"),
        (mark(""), None, None, False, "no rows of this day"),
        (mark("a"), None, None, True, "not published yet"),
        (mark("a"), ran(NIGHT, "a"), None, False, "published by run run0"),
        (mark("b"), ran(NIGHT, "a"), None, True, "changed since run run0"),
        (mark("a", "n"), ran(NIGHT, "a"), None, True, "changed since run run0"),
        (
            mark("a"),
            None,
            ran(NIGHT, "a", run=1),
            False,
            "settings in run run1",
        ),
        (mark("b"), None, ran(NIGHT, "a", run=1), True, "not published yet"),
        (mark("a"), ran(NIGHT, "a", run=2), ran(NIGHT, "a", run=1), False, "published by run run2"),  # by hand
    ],
)
def test_the_day_asked_for(
    now: Mark | None, published: Publication | None, refused: Publication | None, due: bool, reason: str
) -> None:
    (found,) = day_decisions(
        [NIGHT], [], {NIGHT: now} if now else {},
        {NIGHT: published} if published else {}, {NIGHT: refused} if refused else {},
    )  # fmt: skip
    assert found.due is due
    assert reason in found.reason


def test_earlier_days_are_scored_again_for_their_input_alone() -> None:
    first, changed, same, retrained, missing, refused, empty = (days_ago(count) for count in range(7, 0, -1))
    marks = {day: mark("new" if day == changed else "a", "n" if day == retrained else "m") for day in
             (days_ago(8), first, changed, same, retrained, missing, refused)}  # fmt: skip
    published: dict[date | None, Publication] = {day: ran(day, "a") for day in (first, changed, same, retrained)}

    found = day_decisions([NIGHT], sorted({*marks, empty}), marks, published, {refused: ran(refused, "a")})

    # Days before the first publication are not due, and an empty day is not reported.
    assert [(decision.subject, decision.due) for decision in found[:-1]] == [
        (changed.isoformat(), True), (missing.isoformat(), True), (refused.isoformat(), False),
    ]  # fmt: skip
