"""Spark sessions and what they need, such as Java and Delta's jars."""

from typing import TYPE_CHECKING

from textclf.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from textclf.spark.session import FEW_ROWS, SHORT_WORK, open_session

__all__ = ["FEW_ROWS", "SHORT_WORK", "open_session"]
# The submit wrapper needs modules of this package, and no PySpark.
__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "session"))
