"""The nightly run: ingest what is new, rebuild models where a rule requires it, score the day."""
