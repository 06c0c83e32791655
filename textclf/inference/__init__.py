"""Artifacts to probabilities, without Spark."""
