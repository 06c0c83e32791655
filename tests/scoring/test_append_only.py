"""A published table that must not lose a row: the run says so at its beginning and writes nothing."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs import score_table as job
from tests.scoring.passes import ONE_MODEL, table, values
from textclf.config import load_pipeline
from textclf.storage.append_only import APPEND_ONLY


@pytest.mark.usefixtures("store")
def test_neither_table_changes_where_one_of_them_is_append_only(
    spark: SparkSession,
    write_config: Callable[[str], Path],
    run_job: Callable[..., tuple[int, dict[str, Any], str]],
    write: Callable[..., str],
) -> None:
    config = write_config(ONE_MODEL + "[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\n")
    path = write([(1, "good food"), (2, None)], "id long, text string")
    flags = ("--config", config, "--input", path, "--date", date(2026, 1, 31))
    assert run_job(job, *flags)[0] == 0
    pipeline = load_pipeline(config)
    names = ("results", "results_rejects")
    before = [values(table(spark, pipeline, name), "id", "run_id") for name in names]
    place = f"{config.parent}/warehouse/results"
    spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ({APPEND_ONLY} = true)")

    code, record, said = run_job(job, *flags)

    assert (code, record["status"]) == (3, "failed")
    assert f"received: {APPEND_ONLY} = true on {place}" in said
    assert "Traceback" not in said
    assert [values(table(spark, pipeline, name), "id", "run_id") for name in names] == before
