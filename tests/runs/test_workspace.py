"""Functions take a ``Workspace``, and for one more release its three parts as separate arguments."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from pyspark.sql import SparkSession

from textclf.config import Ingest, Pipeline, parse_pipeline
from textclf.corpus.ingest import ingest_corpus
from textclf.runs.workspace import Workspace, takes_workspace, takes_workspace_or_tables
from textclf.storage import Warehouse

SPARK = cast("SparkSession", object())  # these tests never use it
PIPELINE = parse_pipeline('warehouse = "/w"\n[[sources]]\nname = "s"\npath = "p"\nformat = "jsonl"\n')
ELSEWHERE = Warehouse("/elsewhere", None, "/models")


@takes_workspace
def given(workspace: Workspace, first: int, *, second: str = "b") -> tuple[Workspace, int, str]:
    """Return the arguments."""
    return workspace, first, second


@takes_workspace_or_tables
def given_tables(workspace: Workspace, first: int = 1) -> tuple[Workspace, int]:
    return workspace, first


def test_a_workspace_has_the_tables_and_models_of_its_pipeline_file() -> None:
    workspace = Workspace(SPARK, PIPELINE)

    assert workspace.warehouse == Warehouse("/w", None, "/w/models")
    assert workspace.models == "/w/models"
    assert Workspace(SPARK, PIPELINE, ELSEWHERE).models == "/models"


def test_the_new_form_does_not_warn() -> None:
    workspace = Workspace(SPARK, PIPELINE)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert given(workspace, 1, second="c") == (workspace, 1, "c")
        assert cast("Callable[..., object]", given)(workspace=workspace, first=2) == (workspace, 2, "b")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((SPARK, ELSEWHERE, PIPELINE, 1), {"second": "c"}),
        ((SPARK, ELSEWHERE, PIPELINE), {"first": 1, "second": "c"}),
        ((SPARK, ELSEWHERE), {"pipeline": PIPELINE, "first": 1, "second": "c"}),
        ((), {"spark": SPARK, "warehouse": ELSEWHERE, "pipeline": PIPELINE, "first": 1, "second": "c"}),
    ],
)
def test_the_old_form_warns_where_it_is_called_and_gives_the_same(
    args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    with pytest.warns(DeprecationWarning, match=r"given\(spark, warehouse, pipeline, ...\) is deprecated") as caught:
        workspace, first, second = cast("Callable[..., tuple[Workspace, int, str]]", given)(*args, **kwargs)

    assert caught[0].filename == __file__
    assert (workspace.spark, workspace.pipeline, workspace.warehouse) == (SPARK, PIPELINE, ELSEWHERE)
    assert (first, second) == (1, "c")


def test_the_form_without_a_pipeline_file_has_defaults_in_its_place() -> None:
    with pytest.warns(DeprecationWarning, match=r"given_tables\(spark, warehouse, ...\)"):
        workspace, first = given_tables(SPARK, ELSEWHERE, 2)

    assert (workspace.warehouse, first) == (ELSEWHERE, 2)
    assert workspace.pipeline.ingest == Ingest()


def test_a_missing_argument_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'first'"):
        cast("Callable[..., object]", given)(SPARK)


def test_help_shows_the_new_form() -> None:
    import inspect

    assert str(inspect.signature(cast("Callable[..., object]", given))).startswith("(workspace: ")


def test_a_corpus_is_read_by_either_form(
    spark: SparkSession, make_pipeline: Callable[[str], Pipeline], tmp_path: Path
) -> None:
    (tmp_path / "s.jsonl").write_text(json.dumps({"text": "good", "label": "1"}) + "\n")
    pipeline = make_pipeline(f'[[sources]]\nname = "s"\npath = "{tmp_path / "s.jsonl"}"\nformat = "jsonl"\n')

    new = ingest_corpus(Workspace(spark, pipeline), "r1", pipeline.sources)
    with pytest.warns(DeprecationWarning, match="ingest_corpus"):
        old = ingest_corpus(spark, Warehouse.of(pipeline), "r2", pipeline.sources)

    assert (new["s"].accepted, old["s"].accepted, old["s"].before) == (1, 1, 1)
