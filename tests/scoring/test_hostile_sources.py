"""Sources, ids and column names with characters special to a parser are handled as plain data in every run."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.factories.corpora import source_toml
from tests.scoring.scoring import DAY, OPEN_GATE, Scoring, values
from tests.storage.hostile import SOURCES
from textclf.report.run.data import load_run
from textclf.runs.provenance import explain_row
from textclf.runs.record import RunRecord

HOSTILE = source_toml("yelp") + "[score]\nid = 'i`d'\ntext = 'te.xt*'\nsource = 'so`ur.ce'\n"
REST = OPEN_GATE + "[report]\ntexts = true\n"
SCHEMA = "`i``d` string, `te.xt*` string, `so``ur.ce` string"
EACH = (*SOURCES, os.environ["HOME"])  # the value that one of them would expand to
TEXTS = ("good food", "bad", None)
COLUMNS = ("id", "source", "ds", "label", "score")


@pytest.fixture
def parsing(spark: SparkSession) -> Iterator[None]:
    """Set a session to expand variables and to read string literals differently, as a caller's session may be."""
    settings = {"spark.sql.variable.substitute": "true", "spark.sql.parser.escapedStringLiterals": "true"}
    before = {name: str(spark.conf.get(name)) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


def rows_of(sources: tuple[str, ...], named: Callable[[str], str] = str) -> list[tuple[Any, ...]]:
    return [(f"{source} {at}", text, named(source)) for source in sources for at, text in enumerate(TEXTS)]


@pytest.mark.usefixtures("parsing")
def test_every_source_is_a_slice_of_its_own_on_every_rerun(spark: SparkSession, scoring: Scoring) -> None:
    def score(path: str, more: str = "", **options: Any) -> RunRecord:
        return scoring.configure(HOSTILE + more + REST).publish(path, model="yelp", day=DAY, **options)

    plain = {source: f"s{at}" for at, source in enumerate(EACH)}
    of_plain = scoring.write(rows_of(EACH, plain.__getitem__), SCHEMA, kind="parquet", name="plain")
    score(of_plain, output=str(scoring.folder / "of_plain"))
    named = {name: source for source, name in plain.items()}
    scored = values(spark.read.format("delta").load(str(scoring.folder / "of_plain")), *COLUMNS)
    expected = sorted([(row[0], named[row[1]], *row[2:]) for row in scored], key=repr)
    assert len(expected) == 2 * len(EACH)

    path = scoring.write(rows_of(EACH), SCHEMA, kind="parquet", name="hostile")
    for more in ("", "", "changed_only = true\n"):  # written by workers, and through the JVM
        run = score(path, more)
        assert (run.input_rows, run.scored_rows, run.rejected_rows) == tuple(n * len(EACH) for n in (3, 2, 1))
        assert values(scoring.results, *COLUMNS) == expected
        rejects = scoring.rejects.where(F.col("source").isin(list(EACH)))
        assert values(rejects, "source", "reason") == sorted(((each, "null_text") for each in EACH), key=repr)

    # The rows of a source without scores are removed, and no others.
    gone = "${env:HOME}"
    only = scoring.write([(f"{gone} 9", None, gone)], SCHEMA, kind="parquet", name="gone")
    score(only)
    assert values(scoring.results, *COLUMNS) == [row for row in expected if row[1] != gone]

    (found,) = explain_row(spark, scoring.warehouse, "it's 0", source="it's")
    assert (found["source"], found["run"]["status"]) == ("it's", "succeeded")
    data = load_run(scoring.workspace, run.run_id)
    assert data.examples is not None
    assert {example.text for example in data.examples} <= set(TEXTS)
