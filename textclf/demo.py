"""``python -m textclf.examples.demo``. It moved; this path goes with the next release."""

import runpy

globals().update(runpy.run_module("textclf.examples.demo", run_name=__name__))
