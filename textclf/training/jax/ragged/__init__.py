"""Fits of convolutional networks on ragged batches, in which texts are end to end without padding."""
