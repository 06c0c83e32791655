"""Tasks on a cluster whose worker says that it has two GPUs: each task sees its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import standalone
from tests.factories.artifacts import sample
from textclf.artifact import ModelStore

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
_SCRIPT = """#!/usr/bin/env bash
echo '{"name": "gpu", "addresses": ["0", "1"]}'
"""
_ON_TWO = """
import json, pathlib, sys, time
import pyarrow as pa
from textclf.artifact import ModelStore
from textclf.inference.backends import choose
from textclf.scoring.dataframe import add_scores
from textclf.spark import open_session
from textclf.spark.gpu import await_executors, check_gpus, gpu_profile, task_gpu

url, folder = sys.argv[1:]
spark = open_session("gpus", {
    "spark.master": url, "spark.executor.memory": "600m", "spark.executor.cores": "2",
    "spark.executor.resource.gpu.amount": "2", "spark.driver.host": "127.0.0.1",
})
check_gpus(dict(spark.sparkContext.getConf().getAll()))
await_executors(spark)

def seen(batches):
    # Both tasks run at the same time, or one of them waits in vain.
    mine = sum(len(batch) for batch in batches) and task_gpu()
    pathlib.Path(folder, f"task-{mine}").touch()
    deadline = time.monotonic() + 60
    while len(list(pathlib.Path(folder).glob("task-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    yield pa.record_batch({"gpu": pa.array([mine])})

rows = spark.range(2).repartitionByRange(2, "id")
addresses = [row["gpu"] for row in rows.mapInArrow(seen, "gpu string", profile=gpu_profile()).collect()]

model = ModelStore(folder + "/models").load("yelp", "1")
choice = choose(model, "keras", gpu=True)
texts = spark.createDataFrame([(2.5, "the food was good"), (7.5, None)], "id double, text string")
scored = add_scores(texts, {"yelp": model}, {"yelp": choice}).orderBy("id").collect()
print(json.dumps({"addresses": addresses, "why": choice.why, "rows": [row.asDict() for row in scored]}))
"""


def test_each_task_has_a_gpu_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "discover.sh"
    script.write_text(_SCRIPT)
    script.chmod(0o755)
    ModelStore(str(tmp_path / "models")).save(sample(kind="cnn"))
    options = f"-Dspark.worker.resource.gpu.amount=2 -Dspark.worker.resource.gpu.discoveryScript={script}"
    environ = os.environ | {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    environ.pop("PYSPARK_SUBMIT_ARGS", None)

    with standalone(tmp_path, 1, cores=2, worker_options=options) as url:
        command = [sys.executable, "-c", _ON_TWO, url, str(tmp_path)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert sorted(found["addresses"]) == ["0", "1"]
    assert found["why"] == "as asked for; on GPUs"
    good, null = found["rows"]
    assert (good["id"], good["known_tokens"], good["reason"]) == (2.5, 4, None)
    assert 0.5 <= good["score"] <= 1
    assert (null["id"], null["score"], null["reason"]) == (7.5, None, "null_text")
