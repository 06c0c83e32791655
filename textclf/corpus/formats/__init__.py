"""Source formats: turn bytes into records or reject reasons."""
