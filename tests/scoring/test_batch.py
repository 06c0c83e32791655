"""Batches with rows of many models, and scores as columns, UDFs and streams."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark import SparkFiles
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tests.factories.artifacts import sample
from tests.factories.worker_models import models
from tests.processes import run_module
from textclf.artifact import Artifact, Golden
from textclf.errors import ArtifactError
from textclf.inference.backends import BACKENDS, choose
from textclf.inference.golden import check_golden
from textclf.inference.scorer import make_scorer
from textclf.scoring.dataframe import add_scores
from textclf.scoring.udf import score_udf
from textclf.scoring.worker import models as worker_models
from textclf.scoring.worker.batch import NO_MODEL, NULL_TEXT, Wanted, score_batch
from textclf.scoring.worker.models import Models
from textclf.spark.session import DEFAULTS


def batch(texts: Sequence[str | None], keys: Sequence[str | None], given: Models, **wanted: bool) -> list[Any]:
    answer = score_batch(pa.array(texts, pa.string()), pa.array(keys, pa.string()), given, Wanted(**wanted))
    answer.validate(full=True)
    assert answer.type.names == [field.name for field in Wanted(**wanted).schema]
    rows: list[Any] = answer.to_pylist()
    return rows


def test_each_row_goes_to_its_own_model() -> None:
    given = models(sample("a"), sample("b", labels=("no", "yes"), seed=1))
    rows = batch(["good", "bad", "good", None, "good", "bad"], ["a", "b", "c", "a", None, "a"], given)
    assert [row["model"] for row in rows] == [0, 1, NO_MODEL, NULL_TEXT, NO_MODEL, 0]
    assert [row["label"] for row in rows] == [1, 0, None, None, None, 0]
    assert rows[0]["score"] == pytest.approx(1 / (1 + np.exp(-3.1)))
    assert [row["known_tokens"] for row in rows] == [1, 1, None, None, None, 1]


def test_scores_of_all_labels_come_on_request_and_with_more_than_two() -> None:
    given = models(sample("a"), sample("b", labels=tuple("abcdef")))
    rows = batch(["good", "good", None, "bad"], ["a", "b", "b", "a"], given, scores=True)
    assert [row["scores"] and len(row["scores"]) for row in rows] == [None, 6, None, None]
    assert rows[1]["score"] == max(rows[1]["scores"])
    rows = batch(["good", "good", None, "bad"], ["a", "b", "b", "x"], given, scores=True, all_scores=True)
    assert [row["scores"] and len(row["scores"]) for row in rows] == [2, 6, None, None]


def test_hundreds_of_models_in_one_batch_score_as_each_does_alone() -> None:
    artifacts = [sample(f"m{number}", kind="cnn", seed=number) for number in range(200)]
    given = models(*artifacts)
    draw = np.random.default_rng(1)
    keys = [f"m{number}" for number in draw.integers(0, 200, 2_000)]
    texts = [" ".join(draw.choice(["good", "bad", "the", "zzz"], size)) for size in draw.integers(0, 9, 2_000)]
    rows = batch(texts, keys, given)
    for key in ("m0", "m57", "m199"):
        mine = [row for row in range(2_000) if keys[row] == key]
        scores, _ = given.by_key[key].scorer().score(pa.array([texts[row] for row in mine]))
        assert [rows[row]["score"] for row in mine] == scores.max(axis=1).tolist()


def test_one_model_is_compiled_once_and_mapped_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_models, "shared_folder", lambda: tmp_path)
    monkeypatch.setattr(worker_models, "_scorers", {})
    given = models(sample("a", kind="cnn"))
    first = given.by_key["a"].scorer()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    worker_models._scorers.clear()  # as in another worker on the host
    second = given.by_key["a"].scorer()
    assert first is not second
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")} == written
    assert len(written) == 1
    assert np.array_equal(first.score(pa.array(["good"]))[0], second.score(pa.array(["good"]))[0])


@pytest.mark.parametrize("mode", [0o700, 0o775, 0o777])
def test_compiled_models_stay_in_sparks_own_folder_whatever_the_umask(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, elsewhere = tmp_path / "spark", tmp_path / "tmp"
    root.mkdir()
    root.chmod(mode)
    elsewhere.mkdir()
    monkeypatch.setattr(SparkFiles, "getRootDirectory", lambda: str(root))
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    monkeypatch.setattr(worker_models, "_scorers", {})

    models(sample("a", kind="cnn")).by_key["a"].scorer()

    assert len(list((root / "compiled").glob("*.safetensors"))) == 1
    assert (root / "compiled").stat().st_mode & 0o777 == 0o700
    assert list(elsewhere.iterdir()) == []


def test_without_a_folder_to_share_a_model_scores_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_models, "shared_folder", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(worker_models, "_scorers", {})

    artifact = sample("a", kind="cnn")
    scores, _ = models(artifact).by_key["a"].scorer().score(pa.array(["good", "bad"]))

    assert np.allclose(scores, make_scorer(artifact).score(pa.array(["good", "bad"]))[0], atol=1e-6)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("backend", ["compiled", "keras"])
def test_a_model_that_scores_differently_here_scores_nothing(backend: str) -> None:
    artifact = sample("a")
    scores, _ = make_scorer(artifact).score(pa.array(["good", "bad"]))
    wrong = scores + np.array([[0, 0], [2e-5, -2e-5]])
    altered = Artifact.pack(
        artifact.manifest, artifact.weights, artifact.vocabulary, Golden(["good", "bad"], wrong.tolist())
    )
    with pytest.raises(ArtifactError, match=r"does not reproduce its golden scores(.|\n)*'bad'"):
        batch(["good"], ["a"], models(altered, backend=backend))
    assert check_golden(make_scorer(artifact), Golden(["good"], scores[:1].tolist()), "a@1") == 0


TEXTS = ["good", "bad", None, "the food was good", "İΣ", ""]


def test_columns_functions_sql_and_streams_give_the_same(spark: SparkSession, tmp_path: Path) -> None:
    artifact = sample(kind="cnn", labels=("a", "b", "c"))
    path = str(tmp_path / "texts")
    pd.DataFrame({"id": range(6), "text": TEXTS}).to_parquet(tmp_path / "texts.parquet")
    spark.read.parquet(str(tmp_path / "texts.parquet")).write.parquet(path)
    texts = spark.read.parquet(path)
    columns = ("id", "label", "score", "scores", "known_tokens")
    added = add_scores(texts, {"yelp": artifact}, {"yelp": choose(artifact, "auto")})
    expected = [tuple(row) for row in added.orderBy("id").select(*columns).collect()]
    assert [row[1] is None for row in expected] == [text is None for text in TEXTS]

    spark.udf.register("score_it", score_udf(artifact))
    texts.createOrReplaceTempView("texts_to_score")
    in_sql = spark.sql("SELECT id, s.* FROM (SELECT id, score_it(text) AS s FROM texts_to_score) ORDER BY id")
    assert [tuple(row) for row in in_sql.select(*columns).collect()] == expected

    pandas_one = texts.select("id", score_udf(artifact, kind="pandas")("text").alias("s")).select("id", "s.*")
    assert [tuple(row) for row in pandas_one.orderBy("id").select(*columns).collect()] == expected

    stream = spark.readStream.schema(texts.schema).parquet(path)
    scored = stream.select("id", score_udf(artifact)("text").alias("s")).select("id", "s.*")
    query = scored.writeStream.format("memory").queryName("scored_stream").trigger(availableNow=True).start()
    query.awaitTermination(120)
    assert [tuple(row) for row in spark.table("scored_stream").orderBy("id").select(*columns).collect()] == expected


def test_large_texts_come_in_small_batches(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(artifact: Artifact) -> Any:
        inner = make_scorer(artifact)

        def score(texts: pa.Array) -> Any:
            with (tmp_path / "sizes").open("a") as file:
                file.write(f"{texts.nbytes}\n")
            return inner.score(texts)

        return SimpleNamespace(score=score)

    backend.__qualname__ += str(tmp_path)  # workers outlive a test and cache models by backend
    monkeypatch.setitem(BACKENDS, "keras", backend)
    texts = spark.range(0, 48, 1, 2).select(F.expr("repeat('good food ', 100000)").alias("text"))
    scored = add_scores(texts, {"yelp": sample()}, {"yelp": choose(sample(), "keras")})
    assert {row["known_tokens"] for row in scored.select("known_tokens").collect()} == {200_000}
    sizes = [int(line) for line in (tmp_path / "sizes").read_text().split()]
    assert sum(sizes) > 48_000_000
    assert max(sizes) < 2 * int(DEFAULTS["spark.sql.execution.arrow.maxBytesPerBatch"])


def test_neither_driver_nor_worker_of_a_compiled_run_loads_tensorflow() -> None:
    done = run_module("tests.scoring.fresh_worker_process")
    assert done.stdout.strip() == "True []"  # the worker has the kernels, and neither process TensorFlow
