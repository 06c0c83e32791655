"""The pipeline file: TOML in, validated sections out."""

from textclf.config.load import config_digest, load_pipeline, parse_pipeline
from textclf.config.masking import masked, unmasked
from textclf.config.model import (
    Distribution,
    Gate,
    Lock,
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
    Upkeep,
)

__all__ = [
    "Distribution",
    "Gate",
    "Lock",
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
    "Upkeep",
    "config_digest",
    "load_pipeline",
    "masked",
    "parse_pipeline",
    "unmasked",
]
