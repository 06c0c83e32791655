import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs import train_model as job
from tests.factories.corpora import invented, put, real, source_toml
from tests.factories.pipeline_folder import RunJob
from tests.spark_jobs import jobs_of
from textclf.artifact import ModelStore
from textclf.config import Pipeline, parse_pipeline
from textclf.corpus import corpus_rows
from textclf.errors import InputError
from textclf.inference.scorer import make_scorer
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse
from textclf.storage.schemas import CORPUS
from textclf.training.data import Dataset, corpus_digests, load_dataset
from textclf.training.train import TrainedModel, train_model

SIX = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
SMALL = {"num_filters": "8", "embedding_dim": "8", "kernel_size": "2", "epochs": "12", "learning_rate": "0.01"}
TEXT = "[text]\nmax_length = 16\n"

MakePipeline = Callable[[str], Pipeline]


def train(
    spark: SparkSession, pipeline: Pipeline, architecture: str = "logistic_regression", **overrides: str
) -> TrainedModel:
    return train_model(Workspace(spark, pipeline), pipeline.sources[0], architecture, overrides)


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tables of two sources, yelp with two labels and trec with six; return their folder."""
    folder = tmp_path_factory.mktemp("trained") / "warehouse"
    body = f'warehouse = "{folder}"\n' + source_toml("yelp") + source_toml("trec") + TEXT
    put(spark, parse_pipeline(body), "yelp", invented(80))
    put(spark, parse_pipeline(body), "trec", invented(120, SIX))
    return folder


@pytest.fixture
def two(tables: Path, make_pipeline: MakePipeline) -> Pipeline:
    """Return a pipeline with one source that has two labels."""
    pipeline = make_pipeline(source_toml("yelp") + TEXT)
    shutil.copytree(tables, str(pipeline.warehouse))
    return pipeline


@pytest.fixture
def six(tables: Path, make_pipeline: MakePipeline) -> Pipeline:
    """Return a pipeline with one source that has six labels."""
    pipeline = make_pipeline(source_toml("trec") + TEXT)
    shutil.copytree(tables, str(pipeline.warehouse))
    return pipeline


@pytest.mark.parametrize("architecture", ["logistic_regression", "cnn"])
@pytest.mark.parametrize("labels", ["two", "six"])
def test_a_model_learns_and_scores_as_the_library_that_trained_it(
    spark: SparkSession, request: pytest.FixtureRequest, architecture: str, labels: str
) -> None:
    pipeline: Pipeline = request.getfixturevalue(labels)
    trained = train(spark, pipeline, architecture, **(SMALL if architecture == "cnn" else {}))
    manifest = trained.artifact.manifest
    assert manifest.labels == (["0", "1"] if labels == "two" else list(SIX))
    assert manifest.metrics["accuracy"] > 0.9
    golden = trained.artifact.golden
    assert {"", "   "} < set(golden.texts)
    assert len(golden.texts) >= 27
    scores, _ = make_scorer(trained.artifact).score(pa.array(golden.texts))
    np.testing.assert_allclose(scores, golden.scores, atol=1e-6)
    np.testing.assert_allclose(np.sum(golden.scores, axis=1), 1, atol=1e-5)


def test_the_same_seed_gives_the_same_weights(spark: SparkSession, two: Pipeline) -> None:
    first, second, other = (train(spark, two, "cnn", **SMALL | {"seed": seed}) for seed in ("7", "7", "8"))
    assert first.artifact.files == second.artifact.files
    assert first.history == second.history
    assert first.artifact.files["weights.safetensors"] != other.artifact.files["weights.safetensors"]


def test_the_first_version_is_the_champion_until_another_is_promoted(
    spark: SparkSession, two: Pipeline, tmp_path: Path, write_config: Callable[[str], Path], run_job: RunJob
) -> None:
    config = write_config(source_toml("yelp") + TEXT)
    flags = ("--config", config, "--source", "yelp", "--architecture", "logistic_regression")
    seen = []
    for more in ([], ["--set", "C=2"], ["--promote"]):
        code, record, err = run_job(job, *flags, *more)
        assert code == 0
        assert "embedding_coverage" not in record["details"]["yelp"]
        seen.append((record["details"]["yelp"]["version"], record["details"]["yelp"]["champion"]))
        assert ("--promote" in err) == (more == ["--set", "C=2"])
    assert seen == [("1", "1"), ("2", "1"), ("3", "3")]
    assert ModelStore(str(tmp_path / "warehouse/models")).load("yelp", "2").hyperparameters.C == 2


def test_the_record_says_what_was_trained_and_progress_stays_off_standard_output(
    two: Pipeline,
    write_config: Callable[[str], Path],
    capfd: pytest.CaptureFixture[str],
    spark: SparkSession,
    tmp_path: Path,
) -> None:
    config = write_config(source_toml("yelp") + TEXT + f'[train]\nlogs = "{tmp_path / "logs"}"\n')
    given = SMALL | {"pretrained": str(Path(__file__).with_name("vectors.txt"))}
    settings = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    capfd.readouterr()
    assert job.main(["--config", str(config), "--architecture", "cnn", *settings]) == 0
    out, err = capfd.readouterr()
    record = json.loads(out)
    ((reference, digest),) = record["models"].items()
    details = record["details"]["yelp"]
    assert reference == "yelp@1"
    assert details["digest"] == digest
    assert details["parameters"] > 0
    assert 0 <= details["accuracy"] <= 1
    assert "12/12" not in err  # epochs move on a line of their step, which only a terminal has
    words = ModelStore(str(tmp_path / "warehouse/models")).load("yelp", "1").shape.vocabulary
    assert details["embedding_coverage"] == 4 / words  # good, bad, the and food
    assert f"pretrained vectors for {4 / words:.1%} of the vocabulary" in err
    (log,) = (tmp_path / "logs").iterdir()
    assert log.name.startswith("yelp-cnn-")
    with log.open(encoding="utf-8", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == [str(epoch) for epoch in range(12)]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--set", "epoch=3"], "did you mean epochs?"),
        (["--set", "epochs=0"], "--set epochs=0"),
        (["--set", "patience=2"], "set validation_size too"),
        (["--set", "kernel_size=17"], "kernel_size of at most 16"),
        (["--set", "kernel_size"], "KEY=VALUE"),
        (["--architecture", "logistic_regression", "--set", "epochs=3"], "one of: C, max_iter, seed"),
        (["--architecture", "cmn"], "did you mean cnn?"),
        (["--source", "imdb"], "one of: yelp"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_trains_nothing(
    two: Pipeline, write_config: Callable[[str], Path], run_job: RunJob, tmp_path: Path, flags: list[str], expected: str
) -> None:
    code, record, err = run_job(job, "--config", write_config(source_toml("yelp") + TEXT), *flags)
    assert (code, record["status"]) == (2, "failed")
    assert expected in err
    assert not (tmp_path / "warehouse/models").exists()


def test_a_source_without_a_corpus_says_which_job_makes_it(spark: SparkSession, make_pipeline: MakePipeline) -> None:
    with pytest.raises(InputError, match="ingest_corpus"):
        train(spark, make_pipeline(source_toml("yelp")))


def test_one_label_is_too_few(spark: SparkSession, make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(source_toml("yelp"))
    put(spark, pipeline, "yelp", [("good food", "1")] * 8)
    with pytest.raises(InputError, match="at least two labels"):
        train(spark, pipeline)


def test_labels_keep_the_order_of_the_pipeline_file(spark: SparkSession, make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(source_toml("sms") + 'labels = ["spam", "never", "ham"]\n')
    put(spark, pipeline, "sms", invented(40, ["ham", "spam"]))
    dataset = load_dataset(Workspace(spark, pipeline), pipeline.sources[0])
    assert dataset.labels == ["spam", "ham"]
    assert (len(dataset.train), len(dataset.test)) == (30, 10)


def test_the_corpus_digest_ignores_order_and_sees_every_value(spark: SparkSession, make_pipeline: MakePipeline) -> None:
    pipeline = make_pipeline(source_toml("yelp"))
    digests = []
    rows = invented(40)
    for changed in (rows, rows, [*rows[:-1], (rows[-1][0] + " ", rows[-1][1])], [*rows, rows[0]]):
        put(spark, pipeline, "yelp", changed)
        digests.append(load_dataset(Workspace(spark, pipeline), pipeline.sources[0]).corpus_digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert corpus_digests(Warehouse.of(pipeline).location(CORPUS.name).read(spark)) == {"yelp": digests[-1]}


def test_few_rows_are_read_without_a_spark_job_and_many_by_spark_alike(
    spark: SparkSession, make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make_pipeline(source_toml("yelp") + source_toml("trec"))
    put(spark, pipeline, "yelp", invented(40))
    put(spark, pipeline, "trec", invented(60, SIX))
    found: list[Dataset] = []

    def load() -> None:
        found.append(load_dataset(Workspace(spark, pipeline), pipeline.sources[0]))

    assert jobs_of(spark, load) == []
    monkeypatch.setattr(corpus_rows, "small_table", lambda *args: None)  # noqa: ARG005 - as of a large table
    assert len(jobs_of(spark, load)) == 1

    few, many = found
    assert (few.labels, few.corpus_digest, few.unseen) == (many.labels, many.corpus_digest, many.unseen)
    for one, other in ((few.train, many.train), (few.test, many.test)):
        assert one.texts.equals(other.texts)
        assert one.labels.tolist() == other.labels.tolist()


@pytest.mark.parametrize(("file", "accuracy"), [("yelp", 0.7960), ("amazon_cells", 0.7960), ("imdb", 0.7640)], ids=str)
def test_logistic_regression_reaches_the_published_accuracy(
    spark: SparkSession, make_pipeline: MakePipeline, data: Path, file: str, accuracy: float
) -> None:
    pipeline = make_pipeline(source_toml("reviews"))
    put(spark, pipeline, "reviews", real(data / f"uci/{file}_labelled.txt"))
    trained = train(spark, pipeline)
    assert trained.artifact.manifest.metrics["accuracy"] == accuracy
    if file == "yelp":
        assert len(trained.artifact.vocabulary.tokens) == 1714


def test_the_cnn_on_yelp_has_the_published_number_of_parameters(
    spark: SparkSession, make_pipeline: MakePipeline, data: Path
) -> None:
    pipeline = make_pipeline(source_toml("yelp"))
    put(spark, pipeline, "yelp", real(data / "uci/yelp_labelled.txt"))
    trained = train(spark, pipeline, "cnn", epochs="2", batch_size="50")
    assert trained.parameters == 240_129
    assert trained.artifact.shape.vocabulary == 1747
    scores, _ = make_scorer(trained.artifact).score(pa.array(trained.artifact.golden.texts))
    np.testing.assert_allclose(scores, trained.artifact.golden.scores, atol=1e-6)
