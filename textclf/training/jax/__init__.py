"""Fits on JAX: shared train loops, initial weights, compiled programs."""
