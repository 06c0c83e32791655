"""A run record is read as it was written, and its paths show no values of the environment."""

import json
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession

from tests.environments import environment
from textclf.chain.earlier_runs import _sources
from textclf.common.secrets import masked, opened, written_forms
from textclf.config import Pipeline
from textclf.quality.audit import Figures
from textclf.runs.history import _publication, publications
from textclf.runs.masked_fields import mask_fields, masked_record
from textclf.runs.record import RunRecord
from textclf.runs.runs_table import PastRun
from textclf.storage import Warehouse
from textclf.storage.publish import Slice

NASTY = [
    "alphabet",
    "100000",
    "succeeded",
    "slices",
    '": {"',
    "${V0}",
    "${TEAM}",
    ".*.*.*",
    "back\\slash",
    "quo\"te's",
    "line\nfeed",
    "labels",
    "output",
    "20260131",
    "deadbeef" * 8,
    "score_table",
    "2026-01-31",
    "version",
    "results",
]
SECRETS = st.lists(st.sampled_from(NASTY) | st.text(min_size=6, max_size=12), min_size=1, max_size=4, unique=True)


def scored(secrets: list[str], names: list[str], place: str) -> RunRecord:
    """Return a record of score_table with these secrets, source names and paths."""
    run = RunRecord("score_table", datetime(2026, 1, 31, tzinfo=UTC), input=f"{place}/input")
    figures = Figures(Slice(date(2026, 1, 31), names[0]))
    figures.labels.update(dict.fromkeys(names, 100000))
    figures.rejected.update({"empty": 3})
    run.models = {f"{names[-1]}@1": "deadbeef" * 8}
    run.gate = {
        "verdict": "passed",
        "checks": {"counts": {"failed": 0}},
        "output": f"{place}/results",
        "slices": [figures.to_json()],
    }
    run.details = {
        "day": "2026-01-31",
        "fingerprint": "100000" * 10,
        "input_digest": secrets[0],
        "corpora": {names[0]: secrets[0]},
        "challengers": {names[0]: names[-1]},
        "reason": " ".join(secrets),
        "backends": {names[0]: f"keras: {place}"},
    }
    run.tables = {"results": f"{place}/results"}
    run.end("succeeded", f"failed at {place} with {secrets!r}")
    return run


@settings(deadline=None)
@given(SECRETS, st.lists(st.sampled_from(NASTY) | st.text(min_size=1, max_size=8), max_size=3))
def test_what_is_read_back_is_what_was_written(secrets: list[str], other: list[str]) -> None:
    place = "/lake/" + "/".join(secrets)
    run = scored(secrets, [*other, *secrets], place)
    with environment({f"V{number}": secret for number, secret in enumerate(secrets)}):
        row = run.row()
        read = _publication(PastRun.of(row))
        told = json.loads(run.to_json())
        assert row["gate"] is not None
        assert json.loads(row["gate"])["output"] in written_forms(f"{place}/results")
        assert opened(row["input"], [f"{place}/input"]) == f"{place}/input"
    assert run.gate is not None
    assert read.slices == tuple(map(Figures.from_json, run.gate["slices"]))
    assert (read.day, read.fingerprint, read.input_digest) == (date(2026, 1, 31), "100000" * 10, secrets[0])
    assert read.models == run.models == told["models"]
    details = json.loads(row["details"])
    for kept in (details, told["details"]):
        assert (kept["corpora"], kept["challengers"]) == (run.details["corpora"], run.details["challengers"])
    assert (row["job"], row["status"], row["run_id"]) == (run.job, run.status, run.run_id)
    # A value that is part of a variable's name may occur: the names are not secret.
    hidden = [
        secret
        for secret in secrets
        if len(secret) > 5 and not any(secret in f"/${{V{number}}}/" for number in range(4))
    ]
    assume(not any(secret in "/lake/results/input failed at with keras: ['', \"\"]" for secret in hidden))
    spared = "\0".join(
        [row["input"], row["error"], details["reason"], *details["tables"].values(), *details["backends"].values()]
    )
    for number in range(4):
        spared = spared.replace(f"${{V{number}}}", "\0")
    assert not [secret for secret in hidden if secret in spared and "\0" not in secret]


@settings(deadline=None)
@given(st.sampled_from(NASTY) | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{5,20}", fullmatch=True))
def test_steps_of_a_source_are_found_again_whatever_its_name(name: str) -> None:
    figures = {"version": "100000", "digest": name, "settings": name, "fingerprint": name, "night": "2026-01-31"}
    with environment({"TEAM": name, "N": "100000"}):
        for job, details in (
            ("ingest_corpus", {"sources": {name: figures}}),
            ("train_model", {name: figures}),
            ("train_model", {"plan": figures, "steps": figures}),
            ("search_models", {"sources": {name: figures}}),
        ):
            run = RunRecord(job, details=details)
            row = run.row()["details"]
            before = row.replace(f'"{name}": {{', '"${TEAM}": {')  # as the previous release wrote it
            assert dict(_sources(job, json.loads(before))).keys() == dict(_sources(job, json.loads(row))).keys()
            found = dict(_sources(job, json.loads(row)))
            kept: Any = details if job == "train_model" else details["sources"]
            assert {source: found[source] for source in kept} == kept


def test_publications_are_found_where_this_release_or_the_one_before_wrote_them(
    spark: SparkSession, tmp_path: Any
) -> None:
    place, team = f"{tmp_path}/secret-lake", "yelp_team"
    warehouse = Warehouse.of(
        Pipeline.model_validate({"warehouse": f"{place}/w", "sources": [{"name": "s", "path": "p", "format": "jsonl"}]})
    )
    with environment({"LAKE": place, "TEAM": team}):
        new = scored(["deadbeef"], [team], place)
        new.append(spark, warehouse)
        before = scored(["deadbeef"], ["other"], place)
        before.gate = masked(before.gate)  # as earlier releases masked all of a record
        before.append(spark, warehouse)
        found = publications(spark, warehouse, f"{place}/results")
        assert {each.run_id for each in found} == {new.run_id, before.run_id}
        assert {each.slices[0].slice.source for each in found} == {team, "other"}
        row = warehouse.location("runs").read(spark).where(f"run_id = '{new.run_id}'").collect()[0]
        assert place not in json.dumps(row.asDict() | {"started_at": 0, "ended_at": 0})
    assert publications(spark, warehouse, "/elsewhere") == []


def test_a_record_that_is_shown_is_masked_where_it_was_not() -> None:
    with environment({"P": "hunter2-secret"}):
        shown = {"input": "s3a://k:hunter2-secret@b/x", "models": {"hunter2-secret": "d"}}
        run = RunRecord("show_run", details={"run": shown})
        assert masked_record({"job": "show_run", "details": run.details})["details"]["run"] == {
            "input": "s3a://b/x",
            "models": {"hunter2-secret": "d"},
        }
    assert mask_fields({"a": Row(x=1)}, [("a", "x")]) == {"a": Row(x=1)}
