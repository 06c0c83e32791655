"""The audit of staged rows, and the gate that decides whether they are published."""
