"""Queries with few rows: read small tables in the driver, and run other queries as one Spark job."""
