"""The sample corpus and a demo of the whole chain."""
