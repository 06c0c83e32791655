"""The pipeline file: read from TOML into validated sections."""

from textclf.config.base import BatchSizes
from textclf.config.load import config_digest, load_pipeline, parse_pipeline
from textclf.config.operations import Lineage, Logs, Metrics, Nightly
from textclf.config.pipeline import (
    Distribution,
    Gate,
    Ingest,
    Lock,
    Mlflow,
    Pipeline,
    Report,
    Score,
    Search,
    SearchPlan,
    Space,
    Split,
    Text,
    Train,
    Upkeep,
)
from textclf.config.source import Source

__all__ = [
    "BatchSizes",
    "Distribution",
    "Gate",
    "Ingest",
    "Lineage",
    "Lock",
    "Logs",
    "Metrics",
    "Mlflow",
    "Nightly",
    "Pipeline",
    "Report",
    "Score",
    "Search",
    "SearchPlan",
    "Source",
    "Space",
    "Split",
    "Text",
    "Train",
    "Upkeep",
    "config_digest",
    "load_pipeline",
    "parse_pipeline",
]
