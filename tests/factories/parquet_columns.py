"""Columns for Parquet files."""

from typing import Any

import numpy as np
import pyarrow as pa


def odd_types() -> dict[str, Any]:
    """Return columns of types that Spark does not have."""
    return {
        "created": pa.array([1], pa.timestamp("ns")),
        "zoned": pa.array([1], pa.timestamp("ns", "UTC")),
        "at": pa.array([1], pa.time64("us")),
        "at_ns": pa.array([1], pa.time64("ns")),
        "half": pa.array([np.float16(1)]),
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"x" * 16], pa.binary(16))),
        "nested": pa.array([{"t": 1}], pa.struct([("t", pa.timestamp("ns"))])),
        "Other": ["x"],
        "other": ["y"],
    }
