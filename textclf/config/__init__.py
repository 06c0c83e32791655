"""The pipeline file: TOML in, validated sections out."""

from textclf.config.credentials import userinfo, without_credentials
from textclf.config.load import config_digest, load_pipeline, parse_pipeline
from textclf.config.masking import first_line, masked, opened, unmasked, written_forms
from textclf.config.model import (
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
from textclf.config.operation import Lineage, Logs, Metrics, Nightly
from textclf.config.section import BatchSizes
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
    "first_line",
    "load_pipeline",
    "masked",
    "opened",
    "parse_pipeline",
    "unmasked",
    "userinfo",
    "without_credentials",
    "written_forms",
]
