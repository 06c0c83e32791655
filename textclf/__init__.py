"""textclf: text classification at table scale, on Apache Spark."""

__version__ = "0.1.0"
