"""``python -m textclf.spark.launch.submit``. It moved; this path goes with the next release."""

import runpy

globals().update(runpy.run_module("textclf.spark.launch.submit", run_name=__name__))
