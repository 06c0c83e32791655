"""The rules by which deliveries are published, and what a source has after any sequence of deliveries."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.chain.earlier_runs import Done
from textclf.chain.model_rules import ModelFacts, model_reasons, no_corpus, no_reason
from textclf.chain.rules import ingest_decisions
from textclf.config import Ingest, Nightly, Source
from textclf.corpus.counts import Counts
from textclf.corpus.deliveries import DeliveryError, Refused, large_fall, refused_deliveries, why_refused
from textclf.errors import InputError
from textclf.runs.deliveries import still_refused

NAMES = ("a", "b", "c")
NIGHT = date(2026, 1, 31)
SHARES = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1)
DELIVERIES = st.builds(
    lambda accepted, rejected: Counts(
        accepted + rejected, accepted, rejected, {"no_match": rejected} if rejected else {}
    ),
    st.integers(0, 30),
    st.integers(0, 30),
)
"""Deliveries that are good, partly bad, wholly bad or empty."""
RUNS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(NAMES), st.none() | DELIVERIES), st.sets(st.sampled_from(NAMES))),
    max_size=12,
)
"""For each run, a delivery per source, or None where it cannot be read, and the sources that it must accept."""


def source(name: str, **keys: Any) -> Source:
    return Source.model_validate({"name": name, "path": f"{name}.jsonl", "format": "jsonl"} | keys)


def read(
    delivered: Mapping[str, Counts | None], rule: Ingest, accept: Collection[str]
) -> tuple[dict[str, Counts], dict[str, Refused]]:
    """Return what a run publishes and what it refuses, as ``ingest_corpus`` decides it."""
    counts = {name: count for name, count in delivered.items() if count is not None}
    refused = refused_deliveries([source(name) for name in delivered], counts, rule, accept)
    refused |= {
        name: Refused(InputError(f"Source {name} cannot be read.")) for name in delivered.keys() - counts.keys()
    }
    return {name: count for name, count in counts.items() if name not in refused}, refused


@given(DELIVERIES, SHARES)
def test_a_delivery_is_refused_where_none_is_accepted_or_too_many_are_rejected(counts: Counts, share: float) -> None:
    why = why_refused(counts, share)

    assert (why is None) == (counts.accepted > 0 and counts.rejected <= share * counts.records + 1e-9)
    assert counts.accepted == 0 or why_refused(counts, 1.0) is None
    if counts.rejected and counts.accepted:
        assert why_refused(counts, 0.0) is not None
        assert why_refused(counts, counts.rejected / counts.records) is None


@pytest.mark.parametrize(("of", "share"), [(100, 7), (1000, 999), (3, 1), (10, 3), (7, 5)])
def test_the_limit_itself_is_allowed(of: int, share: int) -> None:
    assert why_refused(Counts(of, of - share, share, {}), share / of) is None
    assert why_refused(Counts(of, of - share - 1, share + 1, {}), share / of) is not None


@given(RUNS, SHARES)
def test_after_any_runs_a_source_has_its_last_delivery_that_passed_and_nothing_else(
    runs: list[tuple[dict[str, Counts | None], set[str]]], share: float
) -> None:
    corpus: dict[str, Counts] = {}
    records: list[tuple[str, dict[str, Any]]] = []
    for number, (delivered, accept) in enumerate(runs):
        before = dict(corpus)
        published, refused = read(delivered, Ingest(max_rejects=share), accept)
        corpus |= published
        records.insert(0, (f"r{number}", {"sources": published, "refused": {name: {} for name in refused}}))

        assert published.keys() | refused.keys() == delivered.keys()
        assert not published.keys() & refused.keys()
        for name in NAMES:
            delivery = delivered.get(name)
            passed = delivery is not None and (name in accept or why_refused(delivery, share) is None)
            assert corpus.get(name) == (delivery if passed else before.get(name))
            # Other sources of the run do not affect the decision about a source.
            alone = read({name: delivery}, Ingest(max_rejects=share), accept)[0] if name in delivered else {}
            assert alone.get(name) == published.get(name)
    last: dict[str, bool] = {}
    for _, details in reversed(records):
        last |= dict.fromkeys(details["sources"], False) | dict.fromkeys(details["refused"], True)
    assert set(still_refused(records)) == {name for name, no in last.items() if no}


def test_a_source_has_a_limit_of_its_own() -> None:
    counts = {name: Counts(10, 4, 6, {"no_match": 6}) for name in NAMES}
    sources = [source("a"), source("b", max_rejects=0.6), source("c", max_rejects=0.1)]

    assert set(refused_deliveries(sources, counts, Ingest(), ())) == {"a", "c"}
    assert set(refused_deliveries(sources, counts, Ingest(max_rejects=1), ())) == {"c"}
    assert set(refused_deliveries(sources, counts, Ingest(max_rejects=1), ("c",))) == set()


def test_the_error_says_what_was_found_what_is_kept_and_what_to_do() -> None:
    counts = Counts(1012, 12, 1000, {"invalid_json": 7, "no_match": 993}, before=4711)
    empty = Counts(0, 0, 0, {})
    refused = refused_deliveries([source("a"), source("b")], {"a": counts, "b": empty}, Ingest(), ())

    said = str(DeliveryError(refused, {}))
    assert "Source a has 1,000 of 1,012 records rejected: this delivery is refused, the corpus keeps its 4,711" in said
    assert "no_match 993, invalid_json 7" in said
    assert "FROM corpus_refused WHERE source = 'a'" in said
    assert "--accept a --reason TEXT" in said
    assert "at most a share of 0.5 rejected (max_rejects)" in said
    assert "Source b holds no records: this delivery is refused, nothing of it is published." in said
    assert DeliveryError(refused, {}).problem.count("Source") == 2
    one = DeliveryError({"a": refused["a"]}, {})
    assert (one.problem, one.fix, one.exit_code) == (refused["a"].error.problem, refused["a"].error.fix, 3)


@pytest.mark.parametrize(
    ("accepted", "before", "share", "told"),
    [
        (49, 100, 0.5, "49 records are accepted; the delivery before had 100"),
        (50, 100, 0.5, None),
        (0, 100, 0.5, "0 records are accepted"),
        (0, 100, 0.0, None),  # a share of 0 never warns
        (99, 100, 1.0, "99 records"),
        (1, None, 0.5, None),
        (1, 0, 0.5, None),
    ],
)
def test_a_large_fall_is_a_warning(accepted: int, before: int | None, share: float, told: str | None) -> None:
    found = large_fall(Counts(accepted, accepted, 0, {}, before=before), share)
    assert (found is None) == (told is None)
    assert (told or "") in (found or "")


def done(**figures: Any) -> Done:
    at = datetime(2026, 1, 30, 12, tzinfo=UTC)
    return Done("r0", "ingest_corpus", at, at, figures)


def facts(rows: int, corpus: int | None, **other: Any) -> ModelFacts:
    return ModelFacts("s", "2", "2", rows, done(night="2026-01-30"), corpus, None, **other)


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), min_size=1, max_size=12), st.floats(0.01, 2))
def test_growth_is_counted_from_what_the_model_learned_and_a_loss_is_none(
    deliveries: list[tuple[int, bool]], share: float
) -> None:
    """Deliveries in between do not count: a corpus that returns to its earlier size has not grown."""
    learned = 100
    for corpus, rebuilt in deliveries:
        found = facts(learned, corpus)
        grew = any("grew" in reason for reason in model_reasons(found, Nightly(min_growth=share), NIGHT))
        assert grew == (corpus / learned - 1 >= share)
        assert not (grew and corpus <= learned)
        assert "grew by -" not in no_reason(found, NIGHT)
        assert ("shrank" in no_reason(found, NIGHT)) == (corpus < learned)
        if rebuilt and corpus:
            learned = corpus


def test_nothing_is_built_for_a_source_that_the_corpus_has_nothing_of() -> None:
    assert no_corpus(facts(0, None)) is None  # the corpus was not read by a run
    assert no_corpus(facts(0, 5, refused="r9")) is None
    assert no_corpus(facts(0, None, refused="r9")) == (
        "the corpus has no records of this source; run r9 refused its newest delivery"
    )
    assert no_corpus(facts(10, 0)) == "the corpus has no records of this source"


def test_a_model_that_is_damaged_is_built_anew() -> None:
    found = replace(facts(100, 100), damaged="version 2, which is in use, is damaged")
    assert model_reasons(found, Nightly(), NIGHT) == ["version 2, which is in use, is damaged"]


def test_a_delivery_that_was_refused_is_read_again_and_one_that_passed_is_not() -> None:
    known = {name: done(fingerprint=f"old {name}") for name in NAMES}
    refused = {"a": done(fingerprint="new a"), "d": done(fingerprint="new d")}
    found = {"a": "new a", "b": "old b", "d": "new d"}

    made = ingest_decisions(found, known, refused, {"e": "Source e cannot be read."})

    assert [(each.subject, each.due) for each in made] == [("a", True), ("b", False), ("d", True), ("e", True)]
    assert "run r0 refused the same files" in made[0].reason
    assert "run r0 refused the same files" in made[2].reason
    assert made[3].reason == "Source e cannot be read."


@given(st.none() | st.sampled_from("AB"), st.sampled_from([None, *"ABC"]), st.sampled_from("ABC"))
def test_no_refusal_outlives_its_cause(published: str | None, refused: str | None, now: str) -> None:
    """A refused source is always read again, whatever was published before, even if earlier files came back."""
    known = {} if published is None else {"a": done(fingerprint=published)}
    figures = {} if refused is None else {"fingerprint": refused}  # a missing delivery has no fingerprint

    (made,) = ingest_decisions({"a": now}, known, {"a": done(**figures)})

    assert made.due
    assert ("run r0 refused" in made.reason) == (now in (published, refused) or published is None)
