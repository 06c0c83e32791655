"""The pipeline file: TOML in, validated sections out."""

from textclf.config.load import config_digest, load_pipeline, parse_pipeline
from textclf.config.model import (
    Distribution,
    Mlflow,
    Pipeline,
    Report,
    Score,
    Search,
    SearchPlan,
    Source,
    Space,
    Split,
    Text,
    Train,
)

__all__ = [
    "Distribution",
    "Mlflow",
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
    "config_digest",
    "load_pipeline",
    "parse_pipeline",
]
