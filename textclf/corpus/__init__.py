"""Corpora: source formats, ingest, token counts and vocabularies."""
