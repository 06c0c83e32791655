"""Training: fit on a source's training rows, measure on its test rows."""
