"""Locks on the days of a table, held by leases, and the fence that guards a run's commits."""
