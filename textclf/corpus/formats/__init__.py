"""Formats of sources: bytes in, records or reasons out."""
