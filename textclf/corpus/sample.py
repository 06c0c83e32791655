"""Alias of ``textclf.examples.sample_corpus``, which moved; the next release removes this path."""

import runpy

globals().update(runpy.run_module("textclf.examples.sample_corpus", run_name=__name__))
