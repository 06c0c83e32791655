"""The table to score: found, pinned to a version, its columns checked."""
