"""Any input gives a result or a clear error."""

from hypothesis import HealthCheck, settings

# The deadline catches inputs that hang, and is long enough for a busy machine.
# Examples may share a fixture: each restores what it changed.
FUZZ = settings(deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
