"""Spark sessions and what they need: Java, Delta's jars."""

from textclf.session.factory import FEW_ROWS, open_session

__all__ = ["FEW_ROWS", "open_session"]
