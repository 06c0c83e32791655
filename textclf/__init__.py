"""textclf: text classification at table scale, on Apache Spark.

Example:
    >>> from textclf import Classifier
    >>> model = Classifier("logistic_regression").fit(["good food", "bad food"] * 4, ["+", "-"] * 4)
    >>> model.predict(["really good"]).tolist()
    ['+']
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textclf.artifact import ModelStore as ModelStore
    from textclf.classifier import Classifier as Classifier
    from textclf.scoring.udf import score_udf as score_udf

__version__ = "0.9.0"
__all__ = ["Classifier", "ModelStore", "score_udf"]
_HOMES = {"Classifier": "textclf.classifier", "ModelStore": "textclf.artifact", "score_udf": "textclf.scoring.udf"}

if "pyspark.worker" in sys.modules:  # this process is one of Spark's, and has work of ours
    from textclf.settled import leave_quietly

    leave_quietly()


def __getattr__(name: str) -> object:
    """Bring a public name when it is asked for: importing textclf alone stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
