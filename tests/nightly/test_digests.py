"""Digests that change when a source or a day changes."""

import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.nightly.days import STEADY, write_day
from textclf.chain.earlier_runs import Done, Past
from textclf.chain.facts import plan_reads
from textclf.config import Pipeline, Source, parse_pipeline
from textclf.config.identity import ALWAYS, identity, stored_json
from textclf.corpus.ingest import fingerprints
from textclf.errors import InputError
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.input.table import day_digests, open_input
from textclf.workflow import steps

DAYS = [date(2026, 1, number) for number in (5, 6, 7)]


def source(path: Path, **other: object) -> Source:
    return Source.model_validate({"name": "s", "path": str(path), "format": "jsonl"} | other)


def test_a_source_is_new_when_a_file_or_its_section_is(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "good", "label": "1"}\n')

    def now(**other: object) -> str:
        return fingerprints(spark, [source(folder, **other)])["s"].digest

    seen = [now()]
    assert now() == seen[0]
    changes: list[Callable[[], object]] = [
        lambda: (folder / "b.jsonl").write_text('{"text": "bad", "label": "0"}\n'),
        lambda: (folder / "b.jsonl").write_text('{"text": "worse", "label": "0"}\n'),
        lambda: os.utime(folder / "b.jsonl", (0, 0)),
        lambda: (folder / "a.jsonl").unlink(),
    ]
    for change in changes:
        change()
        seen.append(now())
    assert now(max_rejects=0.9) == seen[-1]  # limits rejects, and leaves the content as it is
    seen.append(now(labels=["0", "1"]))
    assert len(set(seen)) == len(seen)

    with pytest.raises(InputError, match="Source s cannot be read"):
        fingerprints(spark, [source(tmp_path / "none")])


OLD_KEYS = (
    "name", "path", "format", "columns", "text", "label", "encoding", "quoting", "delimiter", "header", "labels",
    "pattern", "max_record_bytes",
)  # fmt: skip
"""All keys of a source in the first release that stored fingerprints, in the order of that release."""


def old_fingerprint(spark: SparkSession, given: Source) -> str:
    """Return the fingerprint that this release computed."""
    listed = spark.read.format("binaryFile").load(given.path)
    size, time = F.col("length").cast("string"), F.unix_micros(F.col("modificationTime")).cast("string")
    files = F.sha2(F.concat_ws("\n", F.array_sort(F.collect_list(F.concat_ws("|", F.col("path"), size, time)))), 256)
    content = listed.agg(files.alias("digest")).collect()[0]["digest"]
    section = json.dumps({key: getattr(given, key) for key in OLD_KEYS}, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{section}\n{content}".encode()).hexdigest()


def test_the_fingerprints_of_earlier_releases_are_still_those_of_unchanged_sources(
    spark: SparkSession, tmp_path: Path
) -> None:
    folder = tmp_path / "Ü s"
    for name in ("a.jsonl", "k=1/b.jsonl", "k=2/c.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"text": "good", "label": "1"}\n')
    plain, parted = folder / "a.jsonl", folder / "k=*"
    for given in (source(plain), source(parted, labels=["é", "1"]), source(plain, max_record_bytes=9)):
        assert fingerprints(spark, [given])["s"].digest == old_fingerprint(spark, given)
    # The old fingerprint left out a file beside the partition folders; it is read now.
    assert fingerprints(spark, [source(folder)])["s"].digest != old_fingerprint(spark, source(folder))
    assert fingerprints(spark, [source(plain, recursive=False)])["s"].digest != old_fingerprint(spark, source(plain))
    old = old_fingerprint(spark, source(plain))
    plain.write_text('{"text": "bad", "label": "1"}\n')
    assert fingerprints(spark, [source(plain)])["s"].digest != old


def test_subfolders_that_an_earlier_release_did_not_read_are_said(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "s"
    for name in ("a.jsonl", "old/b.jsonl", "old/more/c.jsonl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"text": "good", "label": "1"}\n')
    body = f'warehouse = "{tmp_path}/w"\n[[sources]]\nname = "s"\npath = "{folder}"\nformat = "jsonl"\n'
    pipeline = parse_pipeline(body)
    words = "with 2 files in subfolders; recursive = false leaves them out"

    def reason(known: str) -> str:
        at = datetime(2026, 1, 5, tzinfo=UTC)
        done = Done("r1", "ingest_corpus", at, at, {"fingerprint": known})
        (decision,) = plan_reads(Workspace(spark, pipeline), Past(ingested={"s": done})).decisions
        return decision.reason

    known = old_fingerprint(spark, pipeline.sources[0])
    assert words in reason(known)
    assert f"source s: read again, {words}" in capsys.readouterr().err
    assert reason("another") == "files or section changed since run r1"
    assert reason(fingerprints(spark, pipeline.sources)["s"].digest) == "files are those of run r1"

    record = RunRecord("ingest_corpus", run_id="r2")
    steps.ingest(Workspace(spark, pipeline), record, pipeline.sources)
    assert f"source s: read {words}" in capsys.readouterr().err
    assert record.details["sources"]["s"]["subfolder_files"] == 2
    flat = parse_pipeline(f"{body}recursive = false\n")
    steps.ingest(Workspace(spark, flat), record, flat.sources)
    assert "subfolder" not in capsys.readouterr().err
    assert "subfolder_files" not in record.details["sources"]["s"]


def test_later_keys_with_their_defaults_are_in_no_digest() -> None:
    """A stored pipeline has its original keys, and later keys only where the file sets them."""
    body = 'warehouse = "w"\n[[sources]]\nname = "s"\npath = "p"\nformat = "jsonl"\n'
    stored = json.loads(stored_json(parse_pipeline(body)))
    assert list(stored["sources"][0]) == list(OLD_KEYS)
    for section in ("text", "split", "search", "train", "score", "gate"):
        kind = type(getattr(parse_pipeline(body), section))
        assert set(stored[section]) == set(ALWAYS[kind])
    assert set(stored) == set(ALWAYS[Pipeline])
    said = parse_pipeline(body + 'recursive = false\n[score]\npartition_types = "inferred"\n')
    changed = json.loads(stored_json(said))
    assert changed["sources"][0] == {**stored["sources"][0], "recursive": False}
    assert changed["score"] == {**stored["score"], "partition_types": "inferred"}
    assert identity(said.score)["partition_types"] == "inferred"
    assert set(json.loads(stored_json(said, exclude={"sources", "gate"}))) == set(stored) - {"sources", "gate"}


def test_a_delta_source_is_known_by_its_version(spark: SparkSession, tmp_path: Path) -> None:
    def commit() -> str:
        rows = spark.createDataFrame([("good", "1")], "text string, label string").coalesce(1)
        rows.write.format("delta").mode("append").save(str(tmp_path / "s"))
        return fingerprints(spark, [source(tmp_path / "s", format="delta")])["s"].digest

    assert commit() != commit()


@pytest.mark.parametrize("kind", ["delta", "parquet"])
def test_a_day_changes_alone(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "input"
    for day in DAYS[:2]:
        write_day(spark, path, day, STEADY, kind)

    def now() -> dict[date, str]:
        table = open_input(spark, str(path))
        found = day_digests(table, table.day("ds"), DAYS[0], DAYS[-1])
        assert found is not None
        return found

    before = now()
    assert set(before) == set(DAYS[:2])
    assert now() == before
    write_day(spark, path, DAYS[2], STEADY, kind)
    assert {day: now()[day] for day in DAYS[:2]} == before
    write_day(spark, path, DAYS[0], {"shop": 0.6}, kind)
    after = now()
    assert after[DAYS[0]] != before[DAYS[0]]
    assert after[DAYS[1]] == before[DAYS[1]]


def test_a_view_does_not_tell(spark: SparkSession) -> None:
    spark.sql("CREATE OR REPLACE TEMP VIEW some_texts AS SELECT 1 AS id, 'good' AS text, DATE '2026-01-05' AS ds")
    table = open_input(spark, "some_texts")
    assert day_digests(table, table.day("ds"), DAYS[0], DAYS[-1]) is None
    spark.catalog.dropTempView("some_texts")
