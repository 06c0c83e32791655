"""``python -m benchmarks.tutorial``. It moved; this path goes with the next release."""

import runpy

globals().update(runpy.run_module("benchmarks.tutorial", run_name=__name__))
