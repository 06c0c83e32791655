"""Run two tasks on a cluster whose worker has two GPUs: ``python -m tests.cluster.gpu_process URL FOLDER``.

Prints as JSON the GPU of each task, the reason for the choice of the backend, and the scores.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from textclf.artifact import ModelStore
from textclf.inference.backends import choose
from textclf.scoring.dataframe import add_scores
from textclf.spark import open_session
from textclf.spark.gpu import await_executors, check_gpus, gpu_profile, task_gpu


def main(url: str, folder: str) -> None:
    settings = {
        "spark.master": url,
        "spark.executor.memory": "600m",
        "spark.executor.cores": "2",
        "spark.executor.resource.gpu.amount": "2",
        "spark.driver.host": "127.0.0.1",
    }
    spark = open_session("gpus", settings)
    check_gpus(dict(spark.sparkContext.getConf().getAll()))
    await_executors(spark)

    def seen(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Each task waits for the other, so that both run at the same time.
        mine = sum(len(batch) for batch in batches) and task_gpu()
        Path(folder, f"task-{mine}").touch()
        deadline = time.monotonic() + 60
        while len(list(Path(folder).glob("task-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield pa.record_batch({"gpu": pa.array([mine])})

    rows = spark.range(2).repartitionByRange(2, "id")
    addresses = [row["gpu"] for row in rows.mapInArrow(seen, "gpu string", profile=gpu_profile()).collect()]

    model = ModelStore(f"{folder}/models").load("yelp", "1")
    choice = choose(model, "keras", gpu=True)
    texts = spark.createDataFrame([(2.5, "the food was good"), (7.5, None)], "id double, text string")
    scored = add_scores(texts, {"yelp": model}, {"yelp": choice}).orderBy("id").collect()
    print(json.dumps({"addresses": addresses, "why": choice.why, "rows": [row.asDict() for row in scored]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
