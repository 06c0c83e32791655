"""The job run as a person uses it: again, after changes, after failures, for some steps only."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from jobs import nightly, run
from tests.chain.session_state import Seen, assert_nothing_is_left
from tests.factories.chain_folder import ChainFolder
from tests.nightly.days import ROWS, STEADY, text, write_labelled
from tests.points import ask_to_stop, at
from textclf.chain.rules import STEPS
from textclf.storage.leases.locks import NIGHTLY, locked


def write_input(chain: ChainFolder, good: Mapping[str, float] = STEADY) -> None:
    """Write the table to score, with these shares of good texts."""
    rows = [
        (at * ROWS + number, text("1" if number < share * ROWS else "0", number), source)
        for at, (source, share) in enumerate(good.items())
        for number in range(ROWS)
    ]
    frame = chain.spark.createDataFrame(rows, "id long, text string, source string").coalesce(1)
    frame.write.mode("overwrite").parquet(str(chain.folder / "input"))


def due(chain: ChainFolder) -> list[str]:
    """Return the step and the subject of what the newest plan would do now, and of what it would decide later."""
    lines = [line.split()[:3] for line in chain.record["details"]["plan"]]
    return [f"{step} {subject}{'' if word == 'do' else '?'}" for step, subject, word in lines if word != "skip"]


def set_key(chain: ChainFolder, old: str, new: str) -> None:
    chain.config.write_text(chain.config.read_text().replace(old, new))


def test_a_chain_does_what_is_missing_or_stale_and_nothing_else(chain: ChainFolder, seen: Seen) -> None:
    write_input(chain)
    first_run(chain)
    same_records_delivered_again(chain)
    more_records_delivered(chain)
    assert_nothing_is_left(seen)


@pytest.mark.long
def test_a_chain_follows_other_settings_chosen_steps_and_what_other_jobs_did(chain: ChainFolder, seen: Seen) -> None:
    write_input(chain)
    write_labelled(chain.folder / "films.tsv", 104)
    assert chain.run(run) == 0, chain.said
    other_settings(chain)
    some_steps_only(chain)
    results_replaced_by_hand(chain)
    assert_nothing_is_left(seen)


def first_run(chain: ChainFolder) -> None:
    """A dry run writes nothing; the first run does everything, and the second one nothing."""
    assert chain.run(run, "--dry-run") == 0, chain.said
    assert due(chain) == [
        *(f"ingest {name}" for name in STEADY), *(f"vocabulary {name}" for name in STEADY),
        *(f"models {name}" for name in STEADY), "score input?", "report input?",
    ]  # fmt: skip
    assert "no model yet" in chain.plan("models", "shop")
    assert "the models are built first" in chain.plan("score", "input")
    assert not (chain.folder / "warehouse").exists()

    assert chain.run(run) == 0, chain.said
    assert chain.did(*STEPS)
    assert (chain.record["input_rows"], chain.record["scored_rows"]) == (2 * ROWS, 2 * ROWS)
    assert chain.record["gate"]["verdict"] == "passed"
    assert not (chain.folder / "warehouse/nightly.json").exists()
    before = chain.runs()

    assert chain.run(run) == 0, chain.said
    assert chain.did()
    assert "nothing to do" in chain.said
    assert chain.runs() == {**before, "run succeeded": 2}
    assert chain.pages() == 1


def same_records_delivered_again(chain: ChainFolder) -> None:
    """A file that was written again is read, and its model stays, since the corpus is the same."""
    os.utime(chain.folder / "films.tsv", (0, 0))
    assert chain.run(run, "--dry-run") == 0
    assert due(chain) == ["ingest films", "vocabulary films?", "models films?", "score input?", "report input?"]

    assert chain.run(run) == 0, chain.said
    assert chain.did("ingest")
    assert chain.versions() == {"shop": "1", "films": "1"}


def more_records_delivered(chain: ChainFolder) -> None:
    """Four records more are too few for a night, and make the model of their source stale."""
    write_labelled(chain.folder / "films.tsv", 104)
    assert chain.run(run) == 0, chain.said
    assert chain.did(*STEPS)
    assert "the corpus has changed since run" in chain.plan("models", "films")
    assert "was built from this corpus and these settings" in chain.plan("models", "shop")
    assert chain.versions() == {"shop": "1", "films": "2"}


def other_settings(chain: ChainFolder) -> None:
    """Models are searched instead of trained; the corpus and the vocabulary stay as they are."""
    set_key(chain, 'build = "train"', 'build = "search"')
    assert chain.run(run, "--dry-run") == 0
    assert due(chain) == ["models shop", "models films", "score input?", "report input?"]
    assert "the settings have changed since run" in chain.plan("models", "shop")

    assert chain.run(run) == 0, chain.said
    assert chain.did("models", "score", "report")
    assert chain.runs()["search_models succeeded"] == 1


def some_steps_only(chain: ChainFolder) -> None:
    """Steps that are left out are neither planned nor done."""
    write_labelled(chain.folder / "shop.tsv", 110)
    assert chain.run(run, "--steps", "score,ingest") == 0, chain.said
    assert chain.steps("done") == ["ingest"]
    assert chain.steps("skipped") == ["score"]

    assert chain.run(run, "--steps", "report", "--dry-run") == 0
    assert due(chain) == []
    assert chain.run(run, "--steps", "vocabulary,models,score,report") == 0, chain.said
    assert chain.steps("done") == ["vocabulary", "models", "score", "report"]


def results_replaced_by_hand(chain: ChainFolder) -> None:
    """After a run of another job has replaced rows, the whole input is scored again."""
    from jobs import score_table

    assert chain.run(score_table, "--limit", "10") == 0
    assert chain.run(run) == 0, chain.said
    assert chain.did("score", "report")
    assert "did not publish the whole input" in chain.plan("score", "input")
    assert chain.rows("results").count() == 2 * ROWS


@pytest.mark.long
def test_a_chain_goes_on_after_failures_and_ends_with_the_code_of_a_night(chain: ChainFolder, seen: Seen) -> None:
    write_input(chain)
    failed_training(chain)
    refused_delivery(chain)
    stopped(chain)
    refused_by_the_gate(chain)
    empty_input(chain)
    assert_nothing_is_left(seen)


def failed_training(chain: ChainFolder) -> None:
    """The texts of a source have one label: the other source has a model, and rows of the first are rejected."""
    labels = (chain.folder / "shop.tsv").read_text()
    (chain.folder / "shop.tsv").write_text(labels.replace("\t0", "\t1"))
    set_key(chain, "[gate]", "[gate]\nmax_rejects = 0.6")
    assert chain.run(run) == 3
    assert chain.steps("failed") == ["models"]
    assert chain.versions() == {"films": "1"}
    assert chain.rows("results").count() == chain.rows("results_rejects").count() == ROWS

    (chain.folder / "shop.tsv").write_text(labels)
    assert chain.run(run) == 0, chain.said
    assert chain.did(*STEPS)
    assert chain.versions() == {"shop": "1", "films": "1"}
    assert chain.rows("results").count() == 2 * ROWS


def refused_delivery(chain: ChainFolder) -> None:
    """A source is refused: it keeps its model, and all else is done. The code is the same until it is corrected."""
    films = (chain.folder / "films.tsv").read_bytes()
    (chain.folder / "films.tsv").write_bytes(b"a text without a label\n" * 60)
    write_labelled(chain.folder / "shop.tsv", 110)
    for again in (False, True):
        assert chain.run(run) == 3
        assert chain.steps("failed") == ["ingest"]
        assert chain.steps("skipped" if again else "done") == ["vocabulary", "models", "score", "report"]
        assert list(chain.record["details"]["refused"]) == ["films"]
        assert chain.versions() == {"shop": "2", "films": "1"}
        assert chain.record["status"] == "failed"

    (chain.folder / "films.tsv").write_bytes(films)
    assert chain.run(run) == 0, chain.said
    assert chain.did("ingest")


def stopped(chain: ChainFolder) -> None:
    """A run that is stopped after it has staged its rows is taken up, and the rows are not scored again."""
    write_input(chain, {"shop": 0.55, "films": 0.5})
    with at("staged", lambda: ask_to_stop(signal.SIGTERM)):
        assert chain.run(run) == 1
    assert chain.record["status"] == "stopped"

    assert chain.run(run) == 0, chain.said
    assert chain.did("score", "report")
    runs = chain.rows("runs").where("job = 'score_table'").orderBy("ended_at").collect()
    assert [row["status"] for row in runs[-2:]] == ["stopped", "succeeded"]
    assert json.loads(runs[-1]["details"])["published_run"] == runs[-2]["run_id"]


def refused_by_the_gate(chain: ChainFolder) -> None:
    """Rows that the gate has refused are not scored again until something changes, and the code stays the same."""
    set_key(chain, "[gate]", "[gate]\nmax_unknown = 0.0")
    before = chain.warehouse.location("results").version(chain.spark)
    for again in (False, True):
        assert chain.run(run) == 4
        assert chain.record["status"] == "refused"
        assert ("The gate has already refused the rows of this input" in chain.said) is again
        assert chain.steps("done") == ([] if again else ["report"])
        assert chain.warehouse.location("results").version(chain.spark) == before
    assert chain.runs()["score_table refused"] == 1
    set_key(chain, "max_unknown = 0.0", "max_unknown = 0.9")
    assert chain.run(run) == 0, chain.said
    assert chain.did("score", "report")


def empty_input(chain: ChainFolder) -> None:
    """A table without rows ends with 3 each time."""
    frame = chain.spark.createDataFrame([], "id long, text string, source string")
    frame.write.mode("overwrite").parquet(str(chain.folder / "input"))
    for _ in range(2):
        assert chain.run(run) == 3
        assert "The input has no rows." in chain.said


@pytest.mark.parametrize("flags", [(), ("--steps", "ingest")])
def test_a_chain_beside_a_night_ends_with_5_and_changes_nothing(chain: ChainFolder, flags: tuple[str, ...]) -> None:
    place, locks = str(chain.warehouse.location("nightly")), chain.warehouse.locks(chain.spark)
    with locked(chain.spark, locks, place, "the-other-run", "nightly", chain.pipeline.lock.lease) as held:
        held.take([NIGHTLY])
        assert chain.run(run, *flags) == 5
        assert chain.run(nightly) == 5

    assert "Another chain of steps is running" in chain.said
    assert "the-other-run" in chain.said
    assert not chain.warehouse.location("corpus").exists(chain.spark)
    assert chain.runs() == {"run locked": 1, "nightly locked": 1}


def test_wrong_steps_and_a_missing_input_are_2_before_anything_is_done(chain: ChainFolder) -> None:
    assert chain.run(run, "--steps", "ingest,train") == 2
    assert "expected steps of ingest, vocabulary, models, score, report" in chain.said
    assert "received 'train'" in chain.said

    set_key(chain, f'input = "{chain.folder / "input"}"\n', "")
    assert chain.run(run) == 2
    assert "leave the step out: --steps ingest,vocabulary,models" in chain.said
    assert not Path(chain.folder / "warehouse").exists()
