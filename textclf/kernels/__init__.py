"""Kernels: compiled loops over text and tables, with equivalents in numpy."""
