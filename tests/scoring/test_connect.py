"""The scoring UDF under Spark Connect, against a real server."""

import json
import os
import sys

import pyarrow as pa
import pytest

from tests.factories.artifacts import sample
from tests.processes import ROOT, run_module
from textclf.inference.compiled_scorer import CompiledScorer

pytest.importorskip("grpc_status", reason="pyspark needs grpcio-status, googleapis-common-protos and zstandard here")


def test_a_model_scores_under_connect_as_it_does_here() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "SPARK_REMOTE"))}
    environ |= {"PYSPARK_PYTHON": sys.executable}
    environ |= {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    done = run_module("tests.scoring.connect_process", environ=environ)
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
