"""The chain of steps from raw files to published scores: what is due and why, and the steps one after another."""
