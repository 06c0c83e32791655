"""Fits of convolutional networks on ragged batches: texts end to end, without padding."""
