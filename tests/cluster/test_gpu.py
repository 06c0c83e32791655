"""On a worker that reports two GPUs, each task sees a GPU of its own."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.cluster.conftest import standalone
from tests.factories.artifacts import sample
from tests.processes import ROOT, run_module
from textclf.artifact import ModelStore

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(600)]

_SCRIPT = """#!/usr/bin/env bash
echo '{"name": "gpu", "addresses": ["0", "1"]}'
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
        done = run_module("tests.cluster.gpu_process", url, tmp_path, environ=environ)

    found = json.loads(done.stdout.splitlines()[-1])
    assert sorted(found["addresses"]) == ["0", "1"]
    assert found["why"] == "as asked for; on GPUs"
    good, null = found["rows"]
    assert (good["id"], good["known_tokens"], good["reason"]) == (2.5, 4, None)
    assert 0.5 <= good["score"] <= 1
    assert (null["id"], null["score"], null["reason"]) == (7.5, None, "null_text")
