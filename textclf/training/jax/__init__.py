"""Fits on JAX: shared train loops, initial weights and compiled programs."""
