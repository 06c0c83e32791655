"""Spark sessions and what they need: Java, Delta's jars."""

from textclf.session.factory import open_session

__all__ = ["open_session"]
