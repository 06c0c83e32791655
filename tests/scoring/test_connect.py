"""The scoring function under Spark Connect, against a real server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tests.factories.artifacts import sample
from textclf.inference.compiled_scorer import CompiledScorer

pytest.importorskip("grpc_status", reason="pyspark needs grpcio-status, googleapis-common-protos and zstandard here")

ROOT = Path(__file__).parents[2]
_REMOTE = """
import json
from pyspark.sql import SparkSession
from tests.factories.artifacts import sample
from textclf.scoring.udf import score_udf

spark = SparkSession.builder.remote("local[1]").config("spark.driver.memory", "1g").getOrCreate()
texts = spark.createDataFrame([(1, "the food was good"), (2, None), (3, "bad")], "id int, text string")
model = sample(kind="cnn", labels=("a", "b", "c"))
rows = texts.select("id", score_udf(model)("text").alias("s")).orderBy("id").collect()
spark.udf.register("score", score_udf(model))
texts.createOrReplaceTempView("texts")
query = "SELECT id, s FROM (SELECT id, score(text) AS s FROM texts) WHERE s.score > 0 ORDER BY id"
found = {"type": type(spark).__module__, "rows": [row["s"] and row["s"].asDict() for row in rows]}
found["sql"] = [row["s"].asDict() for row in spark.sql(query).collect()]
spark.stop()
print(json.dumps(found))
"""


def test_a_model_scores_under_connect_as_it_does_here() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "SPARK_REMOTE"))}
    environ |= {"PYSPARK_PYTHON": sys.executable}
    environ |= {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    done = subprocess.run([sys.executable, "-c", _REMOTE], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["type"].startswith("pyspark.sql.connect")
    scores, known = CompiledScorer.of(sample(kind="cnn", labels=("a", "b", "c"))).score(
        pa.array(["the food was good", "bad"])
    )
    good, null, bad = found["rows"]
    assert null is None
    assert [good["scores"], bad["scores"]] == [pytest.approx(row) for row in scores.tolist()]
    assert [good["label"], bad["label"]] == ["abc"[row.argmax()] for row in scores]
    assert [good["known_tokens"], bad["known_tokens"]] == known.tolist()
    assert found["sql"] == [good, bad]
