"""Scoring: artifacts applied to texts, one by one and in tables."""
