"""The tutorial that this package began with, measured: ``python -m benchmarks.tutorial``, or ``make tutorial``."""
