"""The Python and the SQL in the documents run, block after block as a reader would type them.

The queries of docs/manual/queries.md have their own tests in tests/storage/test_queries.py.
"""

import re
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import LongType

from tests.commands import ROOT
from tests.docs.documents import DOCUMENTS
from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.storage import Location
from textclf.storage.schemas import TRIALS, results

_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SQL = re.compile(r"^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = {
    "GridSearchCV(": "sixteen fits of a network; tests/classifier runs a smaller one",
}


PAGES = [path for path in DOCUMENTS if path.name != "queries.md"]
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if _PYTHON.search(text)])
def test_its_python_runs(name: str, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = ModelStore("warehouse/models")
    store.promote("yelp", store.save(sample("yelp")).manifest.version)
    spark.createDataFrame([(1, "good food")], "id long, text string").createOrReplaceTempView("texts")
    prepare_results()
    prepare_jobs()
    names = {"spark": spark, "texts": ["good food", "bad food"] * 10, "labels": ["1", "0"] * 10}

    for block in _PYTHON.findall(TEXTS[name]):
        if not any(mark in block for mark in LEFT_OUT):
            exec(compile(block, name, "exec"), names)


def prepare_results() -> None:
    import deltalake

    rows = pd.DataFrame({"source": ["yelp"], "label": ["1"], "score": [0.9]})
    deltalake.write_deltalake("warehouse/results", rows)


def prepare_jobs() -> None:
    """Write the pipeline file and the table to score that the documents name."""
    source = '[[sources]]\nname = "reviews"\npath = "reviews.csv"\nformat = "csv"\nheader = true\n'
    Path("pipeline.toml").write_text(f'warehouse = "warehouse"\n{source}', encoding="utf-8")
    pd.DataFrame({"id": [1, 2], "text": ["good food", "bad food"]}).to_parquet("new.parquet")


def test_there_is_python_in_the_readme_and_the_manual() -> None:
    shown = {name for name, text in TEXTS.items() if _PYTHON.search(text)}

    assert shown >= {"README.md", *(f"docs/manual/{name}.md" for name in ("scoring", "tables", "python", "mlflow"))}


def test_the_sql_of_the_documents_runs(spark: SparkSession, tmp_path: Path) -> None:
    for spec in (results(LongType()), TRIALS):
        Location(path=str(tmp_path / "warehouse" / spec.name)).ensure(spark, spec)

    blocks = [block for text in TEXTS.values() for block in _SQL.findall(text)]

    assert len(blocks) == 2
    for block in blocks:
        here = re.sub(r"delta\.`\w+/", f"delta.`{tmp_path}/warehouse/", block)  # pages name their own warehouses
        assert spark.sql(here).count() == 0
