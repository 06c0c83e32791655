"""Leases on the days of a table, and the fence that goes with a commit."""
