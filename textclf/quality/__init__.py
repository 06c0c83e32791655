"""Audit of what is staged, and the gate before it is published."""
