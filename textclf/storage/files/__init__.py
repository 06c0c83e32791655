"""Find and read the files and folders of a path by Spark's rules."""
