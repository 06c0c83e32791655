"""Run tasks on workers whose daemon has preloaded modules; print as JSON what the workers found.

    python -m tests.spark.preload_process REFERENCES [KEY=VALUE ...]

``REFERENCES`` are those of ``preloading``, separated by spaces; the rest are settings of the session. A setting
``ship`` is a zip of modules that is sent to the workers; ``tokens=no`` uses no kernel,
and with ``crash=yes`` a worker ends at last by a fault of memory.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from textclf.spark import open_session
from textclf.spark.preload.environment import preloading

_ASKED = ("numba", "pandas", "textclf.kernels.layers", "colorsys", "textclf.scoring.worker.output")
Batches = Iterator[pa.RecordBatch]


def look(batches: Batches) -> Batches:
    """Answer with what this worker was forked with, and with what it computes."""
    held = [name for name in _ASKED if name in sys.modules]
    import colorsys
    import os
    import random
    from pathlib import Path

    import numpy as np

    threads = len(list(Path("/proc/self/task").iterdir()))
    numba_draw = sys.modules["tests.spark.preloaded"].draw() if "tests.spark.preloaded" in sys.modules else None
    tokens = None
    if os.environ["TOKENS"] != "no":
        from textclf.text.tokenizer import tokenize_array

        tokens = tokenize_array(pa.array(["good Food"])).to_pylist()[0]
    found = {
        "pid": os.getpid(),
        "held": held,
        "threads": threads,
        "draws": [random.random(), np.random.random(), numba_draw],
        "variables": {name: value for name, value in os.environ.items() if name.startswith(("TEXTCLF_", "JE_"))},
        "one_thread": os.environ["OMP_NUM_THREADS"],
        "shipped": getattr(colorsys, "SHIPPED", None),
        "tokens": tokens,
        "pyspark": sys.modules["pyspark.worker"].__file__,
    }
    for _ in batches:
        pass
    yield pa.RecordBatch.from_arrays([pa.array([json.dumps(found)])], names=["found"])


def crash(_: Batches) -> Batches:
    """End this process as faulty compiled code would."""
    import ctypes

    ctypes.string_at(0)
    yield pa.RecordBatch.from_arrays([pa.array([""])], names=["found"])


def main() -> None:
    references, settings = sys.argv[1].split(), dict(word.split("=", 1) for word in sys.argv[2:])
    shipped, crashes = settings.pop("ship", None), settings.pop("crash", None)
    settings["spark.executorEnv.TOKENS"] = settings.pop("tokens", "yes")
    spark = open_session("preload", {"spark.master": "local[2]", **settings})
    if shipped:
        spark.sparkContext.addPyFile(shipped)
    found: dict[str, Any] = {}
    rows = spark.range(0, 4, 1, 2)
    with preloading(spark.sparkContext, *references):
        tasks = rows.mapInArrow(look, "found string")
    others = rows.mapInArrow(look, "found string")
    for name, each in {"first": tasks, "second": tasks, "others": others}.items():
        found[name] = [json.loads(row.found) for row in each.collect()]
    found["user"] = spark.sql("SELECT * FROM range(3)").rdd.map(lambda row: row.id + 1).collect()
    if crashes:
        with preloading(spark.sparkContext, *references):
            ended = rows.mapInArrow(crash, "found string")
        with pytest.raises((Py4JJavaError, PySparkException)) as error:
            ended.collect()
        found["crash"] = str(error.value)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
