"""Scoring: apply artifacts to the texts of tables and DataFrames."""
