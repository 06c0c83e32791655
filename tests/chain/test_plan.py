"""What a chain would do in many states of its records, models and files, decided without Spark."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.chain.earlier_runs import past_of
from textclf.chain.facts import plan_builds
from textclf.chain.model_rules import ChangeRule, changes, needs_corpus
from textclf.chain.rules import EMPTY, STILL_REFUSED, Decision, ingest_decisions, input_decision
from textclf.config import Pipeline, parse_pipeline
from textclf.quality.audit import Figures
from textclf.runs.history import Publication
from textclf.runs.runs_table import PastRun
from textclf.runs.workspace import Workspace
from textclf.storage.publish import Slice
from textclf.workflow.steps import model_settings, vocabulary_settings

NO_SPARK: Any = None  # a decision that asks Spark fails
SECTIONS = '[search]\narchitecture = "logistic_regression"\n[nightly]\nbuild = "train"\n'
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def parsed(folder: Path, more: str = "") -> Pipeline:
    sources = "".join(f'[[sources]]\nname = "{name}"\npath = "x"\nformat = "jsonl"\n' for name in ("a", "b"))
    return parse_pipeline(f'warehouse = "{folder}"\n{sources}{SECTIONS}{more}')


def ran(job: str, minute: int, status: str = "succeeded", **details: Any) -> PastRun:
    at = NOON + timedelta(minutes=minute)
    return PastRun(f"run{minute}", job, status, at, at + timedelta(seconds=30), details=details)


def published(minute: int, fingerprint: str | None, rows: int = 1, status: str = "succeeded") -> Publication:
    slices = (Figures(Slice(None, "a")),) * rows
    run = ran("score_table", minute, status)
    return Publication(run.run_id, run.ended_at, None, None, slices, whole_fingerprint=fingerprint)


@dataclass
class State:
    """What a chain finds: after a whole chain over two sources, unless a test changes it."""

    folder: Path
    pipeline: Pipeline
    found: dict[str, str] = field(default_factory=lambda: {"a": "files of a", "b": "files of b"})
    runs: list[PastRun] = field(default_factory=list)
    input: str | None = "the input"
    published: list[Publication] = field(default_factory=list)
    refused: list[Publication] = field(default_factory=list)

    def ingest(self, minute: int, status: str = "succeeded", **sources: str) -> None:
        counts = {name: {"accepted": 100, "fingerprint": mark} for name, mark in sources.items()}
        self.runs.append(ran("ingest_corpus", minute, status, sources=counts))

    def count(self, minute: int, *names: str) -> None:
        figures = {"settings": vocabulary_settings(self.pipeline)}
        self.runs.append(ran("build_vocabulary", minute, sources=dict.fromkeys(names, figures)))

    def train(self, minute: int, name: str, status: str = "succeeded", job: str = "train_model") -> None:
        """Save a version, as a run that ends with this status."""
        store = ModelStore(str(self.folder / "models"))
        version = store.save(sample(name)).manifest.version
        store.promote(name, version)
        build = "train" if job == "train_model" else "search"
        settings = model_settings(self.pipeline, name, build, "logistic_regression" if build == "train" else "")
        figures = {"version": version, "settings": settings}
        details = {name: figures} if build == "train" else {"sources": {name: figures, "c": {"problem": "one label"}}}
        self.runs.append(ran(job, minute, status, **details))

    def plan(self) -> dict[str, Decision]:
        """Return the decisions by step and subject: ``models a``."""
        before = past_of(sorted(self.runs, key=lambda run: run.ended_at, reverse=True))
        reads = ingest_decisions(self.found, before.ingested, before.refused)
        unread = {decision.subject for decision in reads if decision.due}
        builds = plan_builds(Workspace(NO_SPARK, self.pipeline), before, ChangeRule(), unread)
        score = input_decision(self.input, self.published, self.refused)
        made = [*reads, *builds.vocabularies, *builds.models, score]
        return {f"{decision.step} {decision.subject}": decision for decision in made}

    def due(self) -> dict[str, bool | None]:
        """Return what is due or may be (None), without what is not."""
        return {name: decision.due for name, decision in self.plan().items() if decision.due is not False}


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path, parsed(tmp_path))
    made.ingest(0, **made.found)
    made.count(1, "a", "b")
    made.train(2, "a")
    made.train(3, "b")
    made.published = [published(4, "the input")]
    return made


def test_after_a_whole_chain_nothing_is_due(state: State) -> None:
    assert state.due() == {}
    reasons = {name: decision.reason for name, decision in state.plan().items()}
    assert reasons == {
        "ingest a": "files are those of run run0",
        "ingest b": "files are those of run run0",
        "vocabulary a": "its model is not due",
        "vocabulary b": "its model is not due",
        "models a": "version 1 was built from this corpus and these settings",
        "models b": "version 1 was built from this corpus and these settings",
        "score input": "published by run run4 from the same input, models and settings",
    }


def test_at_the_beginning_everything_is_due(tmp_path: Path) -> None:
    state = State(tmp_path, parsed(tmp_path))
    assert state.due() == dict.fromkeys(
        ["ingest a", "ingest b", "vocabulary a", "vocabulary b", "models a", "models b", "score input"], True
    )
    assert {decision.reason for decision in state.plan().values()} == {
        "never read", "the corpus is read first", "no model yet", "not published yet",
    }  # fmt: skip


def test_a_new_delivery_is_read_before_anything_else_is_known(state: State) -> None:
    state.found["a"] = "more files of a"
    assert state.due() == {"ingest a": True, "vocabulary a": None, "models a": None}

    state.ingest(10, a="more files of a")
    state.count(11, "a")
    state.train(12, "a")
    assert state.due() == {}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("[train]\nlearning_rate = 0.5\n", ["models a", "models b"]),
        ("[text]\nnum_words = 9\n", ["models a", "models b"]),
        ("[search.sources.b]\nepochs = 3\n", ["models b"]),
        ("[split]\nseed = 7\n", ["models a", "models b", "vocabulary a", "vocabulary b"]),
        ("[gate]\nmax_rejects = 0.5\n", []),  # the input's fingerprint has it
        ("[lock]\nlease = 9.0\n", []),
    ],
)
def test_changed_settings_make_due_what_was_made_with_them(state: State, more: str, expected: list[str]) -> None:
    state.pipeline = parsed(state.folder, more)
    assert sorted(state.due()) == expected
    for name in expected:
        why = "the settings have changed since run run" if name.startswith("models") else "the settings of the split"
        assert state.plan()[name].reason.startswith(why)


def test_a_search_takes_the_place_of_training_when_the_file_says_so(state: State) -> None:
    state.pipeline = state.pipeline.model_copy(
        update={"nightly": state.pipeline.nightly.model_copy(update={"build": "search"})}
    )
    assert state.due() == {"models a": True, "models b": True}
    state.train(20, "a", job="search_models")
    assert state.due() == {"models b": True}


def test_age_drift_and_growth_are_reasons_of_nights_alone(state: State) -> None:
    state.pipeline = parsed(state.folder, "every_days = 1\nmin_growth = 0.001\nmax_psi = 0.001\n")
    state.runs = [replace(run, started_at=run.started_at.replace(year=2020), ended_at=run.ended_at.replace(year=2020))
                  for run in state.runs]  # fmt: skip
    assert state.due() == {}


def test_a_chain_killed_after_any_record_goes_on_with_the_next(tmp_path: Path) -> None:
    everything = ["ingest a", "ingest b", "vocabulary a", "vocabulary b", "models a", "models b", "score input"]
    state = State(tmp_path, parsed(tmp_path))
    done: list[tuple[Callable[[], object], list[str]]] = [
        (lambda: state.ingest(0, **state.found), everything[2:]),
        (lambda: state.count(1, "a", "b"), everything[4:]),
        (lambda: state.train(2, "a"), everything[5:]),
        (lambda: state.train(3, "b"), everything[6:]),
        (lambda: state.published.append(published(4, "the input")), []),
    ]
    assert list(state.due()) == everything
    for step, left in done:
        step()
        state.runs.append(ran("run", 5, "killed", day="nightly", host="here", pid=1, published=False))
        assert list(state.due()) == left


def test_a_model_without_the_record_of_its_build_is_built_again(state: State) -> None:
    state.train(20, "a", status="failed")  # a failure after the model was saved: it is in the record
    assert state.due() == {}
    ModelStore(str(state.folder / "models")).save(sample("b"))  # killed before the record
    assert state.due() == {"models b": True}
    assert state.plan()["models b"].reason == "no record of how version 2 was built"


def test_a_search_that_failed_for_one_source_has_built_the_others(state: State) -> None:
    state.pipeline = parsed(state.folder, "").model_copy(
        update={"nightly": state.pipeline.nightly.model_copy(update={"build": "search"})}
    )
    state.train(20, "a", "failed", "search_models")
    assert state.due() == {"models b": True}


def test_a_refused_delivery_is_read_again_and_its_model_stays(state: State) -> None:
    refused = {"a": {"problem": "too many rejects", "fingerprint": "wrong files"}}
    state.runs.append(ran("ingest_corpus", 10, "failed", sources={}, refused=refused))
    state.found["a"] = "wrong files"
    assert state.due() == {"ingest a": True, "vocabulary a": None, "models a": None}
    assert state.plan()["ingest a"].reason == "run run10 refused the same files: read again"


def test_a_source_that_never_had_a_delivery_has_no_model(state: State) -> None:
    state.pipeline = parsed(state.folder, '[[sources]]\nname = "c"\npath = "x"\nformat = "jsonl"\n')
    state.runs.append(ran("ingest_corpus", 10, "failed", refused={"c": {"problem": "no file"}}))
    assert state.due() == {}
    assert "run run10 refused its newest delivery" in state.plan()["models c"].reason


@pytest.mark.parametrize(
    ("now", "published_", "refused", "due", "reason"),
    [
        (None, [published(4, "f")], [], True, "it is not known whether the input changed"),
        ("f", [], [], True, "not published yet"),
        ("f", [published(4, "f")], [], False, "published by run run4"),
        ("g", [published(4, "f")], [], True, "input, models or settings changed since run run4"),
        ("f", [published(9, None), published(4, "f")], [], True, "run run9, the newest, did not publish the whole"),
        ("f", [published(4, "f", rows=0)], [], False, EMPTY),
        ("f", [published(4, "e")], [published(9, "f")], False, f"{STILL_REFUSED} run9"),
        ("g", [published(4, "e")], [published(9, "f")], True, "input, models or settings changed since run run4"),
        ("f", [published(4, "f")], [published(9, "e")], False, "published by run run4"),  # the input as it was before
        ("f", [published(9, "f")], [published(4, "f")], False, "published by run run9"),  # by hand
    ],
)
def test_the_whole_input_is_scored_unless_the_newest_run_has(
    now: str | None, published_: list[Publication], refused: list[Publication], due: bool, reason: str
) -> None:
    found = input_decision(now, published_, refused)
    assert found.due is due
    assert reason in found.reason


@pytest.mark.parametrize(
    ("version", "settings", "corpus", "expected"),
    [
        ("1", "s", False, []),
        ("1", "t", False, ["the settings have changed since run run3"]),
        ("1", "t", True, ["the corpus has changed since run run3", "the settings have changed since run run3"]),
        ("2", "s", False, ["no record of how version 2 was built"]),
    ],
)
def test_what_has_changed_since_a_model_was_built(
    version: str, settings: str, corpus: bool, expected: list[str]
) -> None:
    before = past_of([ran("train_model", 3, a={"version": "1", "settings": "s"})])
    assert changes(version, before.built["a"], settings, corpus=corpus) == expected
    assert changes(version, None, settings, corpus=corpus) == [f"no record of how version {version} was built"]


def test_the_records_tell_whether_the_corpus_is_the_one_of_the_model() -> None:
    runs = [ran("train_model", 3, a={"version": "1"}), ran("ingest_corpus", 1, sources={"a": {}, "b": {}})]
    before = past_of(runs)
    assert not needs_corpus("1", before.built["a"], before.ingested["a"])
    assert not needs_corpus("2", before.built["a"], None)
    assert not needs_corpus("1", None, before.ingested["b"])
    assert needs_corpus("1", before.built["a"], None)
    later = past_of([ran("ingest_corpus", 4, sources={"a": {}}), *runs])
    assert needs_corpus("1", later.built["a"], later.ingested["a"])
