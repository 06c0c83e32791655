"""Read sources on this machine without Spark, by the rules of ingest."""
