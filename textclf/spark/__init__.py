"""Spark sessions and what they need, such as Java and Delta's jars."""

from textclf.spark.session import FEW_ROWS, open_session

__all__ = ["FEW_ROWS", "open_session"]
