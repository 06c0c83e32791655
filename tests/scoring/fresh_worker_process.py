"""Score with a compiled model in a new session.

Print whether the worker has loaded the kernels, and which heavy modules the worker or the driver has loaded.
"""

import sys
from collections.abc import Iterator

import pyarrow as pa

from tests.factories.artifacts import sample
from textclf.inference.backends import choose
from textclf.scoring.dataframe import add_scores
from textclf.scoring.worker.models import PRELOADED
from textclf.spark import open_session
from textclf.spark.preload.environment import preloading


def modules(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the names of the worker's loaded modules in each row."""
    for batch in batches:
        yield pa.RecordBatch.from_arrays([pa.array([",".join(sys.modules)] * batch.num_rows)], ["names"])


def main() -> None:
    spark = open_session("fresh", {"spark.master": "local[1]", "spark.driver.memory": "1g"})
    model = sample(kind="cnn")
    texts = spark.createDataFrame([("good",), ("bad",)], "text string").coalesce(1)
    add_scores(texts, {"yelp": model}, {"yelp": choose(model, "auto")}).collect()
    with preloading(spark.sparkContext, *PRELOADED):  # else it would run in a worker of another daemon
        asked = spark.range(0, 1, 1, 1).mapInArrow(modules, "names string")
    worker = asked.collect()[0]["names"].split(",")
    loaded = [name for name in ("tensorflow", "keras") if name in worker or name in sys.modules]
    print("textclf.kernels.layers" in worker, loaded)


if __name__ == "__main__":
    main()
