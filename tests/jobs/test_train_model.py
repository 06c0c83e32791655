"""The training job, end to end on a small corpus."""

from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from jobs import train_model
from tests.factories.corpora import invented, put, source_toml
from tests.factories.pipeline_folder import RunJob
from textclf.config import load_pipeline


def test_figures_measures_and_champion(
    spark: SparkSession, run_job: RunJob, write_config: Callable[[str], Path], tmp_path: Path
) -> None:
    config = write_config(source_toml("s"))
    put(spark, load_pipeline(config), "s", invented(80))
    figures = tmp_path / "figures"
    small = ("--set", "num_filters=8", "--set", "embedding_dim=8", "--set", "epochs=3")

    code, record, _ = run_job(train_model, "--config", config, *small, "--figures", figures)
    again, second, said = run_job(train_model, "--config", config, "--architecture", "logistic_regression")

    assert (code, again) == (0, 0)
    assert {path.name for path in figures.iterdir()} == {
        f"s@1-{name}.{kind}" for name in ("confusion", "history", "reliability") for kind in ("png", "svg")
    }
    assert {"accuracy", "loss", "macro_f1", "roc_auc", "parameters"} < set(record["details"]["s"])
    assert set(record["details"]) == {"s"}  # only sources: readers iterate over the keys
    assert list(record["models"]) == ["s@1"]
    assert (second["details"]["s"]["version"], second["details"]["s"]["champion"]) == ("2", "1")
    assert "version 1 stays the champion" in said
