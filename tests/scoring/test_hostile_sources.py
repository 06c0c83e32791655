"""Sources, ids and columns that mean something to a parser are data like any other, run after run."""

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.factories.corpora import source_toml
from tests.scoring.passes import publish, table, values
from tests.storage.hostile import SOURCES
from textclf.config import Pipeline
from textclf.report.run.data import load_run
from textclf.runs.provenance import explain_row
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse

DAY = date(2026, 1, 31)
HOSTILE = "[score]\nid = 'i`d'\ntext = 'te.xt*'\nsource = 'so`ur.ce'\n"
GATE = "[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\n[report]\ntexts = true\n"
SCHEMA = "`i``d` string, `te.xt*` string, `so``ur.ce` string"
EACH = (*SOURCES, os.environ["HOME"])  # what one of them would be, were it expanded
TEXTS = ("good food", "bad", None)
COLUMNS = ("id", "source", "ds", "label", "score")


@pytest.fixture
def parsing(spark: SparkSession) -> Iterator[None]:
    """A session that expands variables and reads string literals in another way, as one that is given to us may."""
    settings = {"spark.sql.variable.substitute": "true", "spark.sql.parser.escapedStringLiterals": "true"}
    before = {name: str(spark.conf.get(name)) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


def rows_of(sources: tuple[str, ...], named: Callable[[str], str] = str) -> list[tuple[Any, ...]]:
    return [(f"{source} {at}", text, named(source)) for source in sources for at, text in enumerate(TEXTS)]


@pytest.mark.usefixtures("parsing", "store")
def test_every_source_is_a_slice_of_its_own_on_every_rerun(
    spark: SparkSession, make_pipeline: Callable[[str], Pipeline], write: Callable[..., str], tmp_path: Path
) -> None:
    pipeline = make_pipeline(source_toml("yelp") + HOSTILE + GATE)
    copying = make_pipeline(source_toml("yelp") + HOSTILE + "changed_only = true\n" + GATE)

    def score(path: str, pipeline: Pipeline = pipeline, **options: Any) -> Any:
        return publish(spark, pipeline, path, model="yelp", day=DAY, **options)

    plain = {source: f"s{at}" for at, source in enumerate(EACH)}
    of_plain = write(rows_of(EACH, plain.__getitem__), SCHEMA, kind="parquet", name="plain")
    score(of_plain, output=str(tmp_path / "of_plain"))
    named = {name: source for source, name in plain.items()}
    scored = values(spark.read.format("delta").load(str(tmp_path / "of_plain")), *COLUMNS)
    expected = sorted([(row[0], named[row[1]], *row[2:]) for row in scored], key=repr)
    assert len(expected) == 2 * len(EACH)

    path = write(rows_of(EACH), SCHEMA, kind="parquet", name="hostile")
    for way in (pipeline, pipeline, copying):  # files of workers, and rows through the JVM
        run = score(path, way)
        assert (run.input_rows, run.scored_rows, run.rejected_rows) == tuple(n * len(EACH) for n in (3, 2, 1))
        assert values(table(spark, pipeline), *COLUMNS) == expected
        rejects = table(spark, pipeline, "results_rejects").where(F.col("source").isin(list(EACH)))
        assert values(rejects, "source", "reason") == sorted(((each, "null_text") for each in EACH), key=repr)

    # Of one that has no score any more nothing stays, and nothing else goes.
    gone = "${env:HOME}"
    only = write([(f"{gone} 9", None, gone)], SCHEMA, kind="parquet", name="gone")
    score(only)
    assert values(table(spark, pipeline), *COLUMNS) == [row for row in expected if row[1] != gone]

    warehouse = Warehouse.of(pipeline)
    (found,) = explain_row(spark, warehouse, "it's 0", source="it's")
    assert (found["source"], found["run"]["status"]) == ("it's", "succeeded")
    data = load_run(Workspace(spark, pipeline), run.run_id)
    assert data.examples is not None
    assert {example.text for example in data.examples} <= set(TEXTS)
