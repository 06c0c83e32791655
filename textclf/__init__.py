"""textclf: text classification at table scale, on Apache Spark.

Example:
    >>> from textclf import Classifier
    >>> model = Classifier("logistic_regression").fit(["good food", "bad food"] * 4, ["+", "-"] * 4)
    >>> model.predict(["really good"]).tolist()
    ['+']
"""

import sys
from typing import TYPE_CHECKING

from textclf._version import __version__ as __version__
from textclf.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from textclf.artifact.keras_export import export_keras
    from textclf.artifact.mlflow_registry import load_registered
    from textclf.artifact.store import ModelStore, parse_reference
    from textclf.classifier import Classifier
    from textclf.config.load import load_pipeline
    from textclf.corpus.deliveries import DeliveryError
    from textclf.corpus.ingest import ingest_corpus
    from textclf.corpus.vocabulary import build_vocabulary
    from textclf.errors import TextclfError
    from textclf.integrations.mlflow_flavor import log_model as log_mlflow_model
    from textclf.integrations.mlflow_flavor import save_model as save_mlflow_model
    from textclf.report.run.data import load_run
    from textclf.report.run.page import render_report
    from textclf.runs.record import RunRecord
    from textclf.runs.workspace import Workspace
    from textclf.scoring.days import DayRange, score_range
    from textclf.scoring.plan import ScoreOptions
    from textclf.scoring.score import score_table
    from textclf.scoring.udf import score_udf
    from textclf.search.search import SearchReport, search_models
    from textclf.spark.session import open_session
    from textclf.storage.warehouse import Warehouse
    from textclf.training.train import train_model

__all__ = [
    "Classifier",
    "DayRange",
    "DeliveryError",
    "ModelStore",
    "RunRecord",
    "ScoreOptions",
    "SearchReport",
    "TextclfError",
    "Warehouse",
    "Workspace",
    "build_vocabulary",
    "export_keras",
    "ingest_corpus",
    "load_pipeline",
    "load_registered",
    "load_run",
    "log_mlflow_model",
    "open_session",
    "parse_reference",
    "render_report",
    "save_mlflow_model",
    "score_range",
    "score_table",
    "score_udf",
    "search_models",
    "train_model",
]
_HOMES = {
    "Classifier": "classifier",
    "DayRange": "scoring.days",
    "DeliveryError": "corpus.deliveries",
    "ModelStore": "artifact.store",
    "RunRecord": "runs.record",
    "ScoreOptions": "scoring.plan",
    "SearchReport": "search.search",
    "TextclfError": "errors",
    "Warehouse": "storage.warehouse",
    "Workspace": "runs.workspace",
    "build_vocabulary": "corpus.vocabulary",
    "export_keras": "artifact.keras_export",
    "ingest_corpus": "corpus.ingest",
    "load_pipeline": "config.load",
    "load_registered": "artifact.mlflow_registry",
    "load_run": "report.run.data",
    "log_mlflow_model": "integrations.mlflow_flavor",
    "open_session": "spark.session",
    "parse_reference": "artifact.store",
    "render_report": "report.run.page",
    "save_mlflow_model": "integrations.mlflow_flavor",
    "score_range": "scoring.days",
    "score_table": "scoring.score",
    "score_udf": "scoring.udf",
    "search_models": "search.search",
    "train_model": "training.train",
}
_AT_HOME = {"log_mlflow_model": "log_model", "save_mlflow_model": "save_model"}
"""Names that are shorter in their own module, where everything is about MLflow."""

if "pyspark.worker" in sys.modules:  # this process is a Spark worker that runs code of textclf
    from textclf.spark.worker_gc import leave_quietly

    leave_quietly()


# Importing textclf loads neither Spark nor TensorFlow.
__getattr__ = lazy_names(__name__, _HOMES, _AT_HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
