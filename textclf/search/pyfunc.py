"""``textclf.integrations.mlflow_flavor``. It moved; this path goes with the next release."""

import importlib
import sys

sys.modules[__name__] = importlib.import_module("textclf.integrations.mlflow_flavor")
