"""Anything in, a result or a clear error out."""

from hypothesis import HealthCheck, settings

# What takes seconds for some bytes hangs for others; what takes a moment on a busy machine does not.
# Examples may share a fixture: each puts back what it changed.
FUZZ = settings(deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
