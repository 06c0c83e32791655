"""The pipeline file: TOML in, validated sections out."""

from textclf.config.load import config_digest, load_pipeline, parse_pipeline
from textclf.config.model import Pipeline, Score, Search, Source, Split, Text, Train

__all__ = [
    "Pipeline",
    "Score",
    "Search",
    "Source",
    "Split",
    "Text",
    "Train",
    "config_digest",
    "load_pipeline",
    "parse_pipeline",
]
