"""``python -m textclf.examples.sample_corpus``. It moved; this path goes with the next release."""

import runpy

globals().update(runpy.run_module("textclf.examples.sample_corpus", run_name=__name__))
