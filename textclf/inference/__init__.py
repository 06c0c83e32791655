"""Inference: from artifacts to probabilities, without Spark."""
