"""What any room may use: logs, masking, files that are replaced whole."""
