"""The input of a pass: find the table, pin its version, check its columns."""
