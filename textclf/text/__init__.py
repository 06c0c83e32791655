"""Pure functions on text, the vocabulary and the split of labelled rows, with their Spark forms."""
