"""The tutorial that this package began with, measured: ``python -m textclf.tutorial``, or ``make tutorial``."""
