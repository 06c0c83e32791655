"""Corpora: readers of formats, ingest, the sample corpus."""
