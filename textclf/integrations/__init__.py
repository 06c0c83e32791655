"""Integration with MLflow."""
