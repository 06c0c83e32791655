"""Helpers that any room may use: logs, masking of secrets, atomic file replacement."""
