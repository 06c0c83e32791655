"""``python -m textclf.spark.launch.provision``. It moved; this path goes with the next release."""

import runpy

globals().update(runpy.run_module("textclf.spark.launch.provision", run_name=__name__))
