"""A sample corpus and the whole chain over it."""
