"""Sources on this machine, read by the rules of ingest and without Spark."""
