"""``benchmarks.tutorial``, of a checkout. It moved; this path goes with the next release."""
