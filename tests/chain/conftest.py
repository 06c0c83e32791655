from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.chain.session_state import Seen, Watched
from tests.factories.chain_folder import ChainFolder
from tests.factories.pipeline_folder import RunJob
from tests.nightly.days import write_steady_pipeline


@pytest.fixture
def chain(spark: SparkSession, run_job: RunJob, tmp_path: Path) -> ChainFolder:
    """A pipeline of two sources and a table without days to score, of which nothing has been done yet."""
    write_steady_pipeline(tmp_path, search='strategy = "grid"\nfolds = 2\nspace.C = [0.1, 1.0]\n')
    return ChainFolder(spark, tmp_path, run_job)


@pytest.fixture
def seen(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """State of the session around each step of the chains of a test."""
    Watched.spark, Watched.seen = spark, []
    monkeypatch.setattr("textclf.chain.chain.Progress", Watched)
    yield Watched.seen
    Watched.seen = []
