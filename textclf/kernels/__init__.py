"""Compiled loops over text and tables, with their numpy twins."""
