"""A model saved for MLflow gives our scores when loaded, as a Spark UDF and from MLflow's server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.factories.artifacts import sample
from tests.processes import free_port
from textclf.artifact import Artifact
from textclf.artifact.folder import read_folder
from textclf.inference.backends import choose
from textclf.integrations.mlflow_flavor import save_model
from textclf.scoring.udf import score_udf

TEXTS = ["good food", "the food was bad again", "", "GOOD!", "süß and good", "nothing known here"]


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return sample("yelp", "cnn", labels=("negative", "neutral", "positive"))


@pytest.fixture(scope="module")
def saved(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlflow") / "model"
    save_model(artifact, folder)
    return folder


def ours(artifact: Artifact) -> tuple[list[str], list[float]]:
    scores, _ = choose(artifact, "auto").scorer(artifact).score(pa.array(TEXTS))
    labels = [artifact.manifest.labels[best] for best in scores.argmax(axis=1)]
    return labels, scores.max(axis=1).tolist()


def test_it_is_saved_as_data(saved: Path, artifact: Artifact) -> None:
    import mlflow

    assert list(saved.rglob("*.pkl")) == []
    assert read_folder(saved / "data" / "artifact").digest == artifact.digest
    assert (saved / "code" / "textclf" / "__init__.py").is_file()
    described = mlflow.models.Model.load(str(saved))
    example = described.load_input_example(str(saved))
    assert isinstance(example, pd.DataFrame)
    assert list(example.columns) == ["text"]
    assert described.metadata is not None
    assert described.metadata["digest"] == artifact.digest
    required = (saved / "requirements.txt").read_text()
    assert "numba==" in required
    assert "tensorflow" not in required  # the model is compiled, so it needs no TensorFlow
    assert "textclf" not in required  # the code is saved with the model: no index has our package


def test_loaded_it_gives_our_scores(saved: Path, artifact: Artifact) -> None:
    import mlflow

    found = mlflow.pyfunc.load_model(str(saved)).predict(pd.DataFrame({"text": [*TEXTS, None]}))

    labels, scores = ours(artifact)
    assert found["label"].tolist() == [*labels, None]
    assert found["score"].tolist() == [*scores, None]


def test_one_that_an_earlier_release_saved_still_loads(saved: Path, artifact: Artifact, tmp_path: Path) -> None:
    import mlflow

    folder = shutil.copytree(saved, tmp_path / "model", ignore=shutil.ignore_patterns("code"))
    described = folder / "MLmodel"
    old = ".".join(("textclf", "search", "pyfunc"))
    described.write_text(described.read_text().replace("textclf.integrations.mlflow_flavor", old))
    assert old in described.read_text()
    answers = mlflow.pyfunc.load_model(str(folder)).predict(pd.DataFrame({"text": TEXTS}))
    assert answers["label"].tolist() == ours(artifact)[0]


@pytest.mark.parametrize("nulls", ["some", "all", "none"])
@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records"])
def test_answers_of_the_scoring_server_are_json_for_texts_that_are_null(
    saved: Path, artifact: Artifact, form: str, nulls: str
) -> None:
    """Call the server's request handler in this process."""
    import mlflow
    from mlflow.pyfunc.scoring_server import invocations

    cases: dict[str, list[str | None]] = {"some": [None, *TEXTS, None], "all": [None, None], "none": [*TEXTS]}
    texts = cases[nulls]
    bodies: dict[str, Any] = {
        "dataframe_split": {"columns": ["text"], "data": [[text] for text in texts]},
        "dataframe_records": [{"text": text} for text in texts],
    }
    model = mlflow.pyfunc.load_model(str(saved))

    answer: Any = invocations(  # type: ignore[no-untyped-call]
        json.dumps({form: bodies[form]}).encode(), "application/json", model, model.metadata.get_input_schema()
    )

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    rows = json.loads(answer.response, parse_constant=refuse)["predictions"]
    known = dict(zip(TEXTS, zip(*ours(artifact), strict=True), strict=True))
    wanted = [(None, None) if text is None else known[text] for text in texts]
    assert [row["label"] for row in rows] == [label for label, _ in wanted]
    assert [row["score"] is None for row in rows] == [score is None for _, score in wanted]
    assert [row["score"] for row in rows if row["score"] is not None] == pytest.approx(
        [score for _, score in wanted if score is not None], rel=1e-6
    )


def test_as_a_function_of_spark_it_gives_the_scores_of_ours(
    spark: SparkSession, saved: Path, artifact: Artifact
) -> None:
    import mlflow

    function = mlflow.pyfunc.spark_udf(spark, str(saved), env_manager="local")
    texts = [*TEXTS, None]
    rows = spark.createDataFrame([(text,) for text in texts], "text string").coalesce(1)  # one worker that loads MLflow
    both = rows.select(function(F.struct("text")).alias("theirs"), score_udf(artifact)("text").alias("ours"))

    found = both.select("theirs.*", F.col("ours.label").alias("our_label"), F.col("ours.score").alias("our_score"))
    pairs = [tuple(row) for row in found.collect()]
    assert len(pairs) == len(texts)
    assert [pair[:2] for pair in pairs[:-1]] == [pair[2:] for pair in pairs[:-1]]
    assert pairs[-1] == ("None", None, None, None)  # MLflow makes None a string; the score stays null


@pytest.fixture(scope="module")
def server(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `mlflow models serve`, and yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(saved), "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    folder = tmp_path_factory.mktemp("server")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"PATH": path}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield await_server(f"http://127.0.0.1:{port}", process, folder / "log")
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # a separate process group: the command and its server
        process.wait()


def await_server(address: str, process: "subprocess.Popen[bytes]", log: Path) -> str:
    for _ in range(1200):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return address
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def asked(address: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{address}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_served_it_gives_our_scores(server: str, artifact: Artifact) -> None:
    answer = asked(server, {"dataframe_split": {"columns": ["text"], "data": [[text] for text in TEXTS]}})

    labels, scores = ours(artifact)
    assert [row["label"] for row in answer["predictions"]] == labels
    assert [row["score"] for row in answer["predictions"]] == pytest.approx(scores, rel=1e-6)


def test_the_server_refuses_what_is_no_text(server: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        asked(server, {"dataframe_split": {"columns": ["words"], "data": [["good"]]}})

    assert caught.value.code == 400
    assert "text" in json.load(caught.value)["message"]
