"""A run records how it computed scores: with numpy instead of numba, or with tables in half precision."""

import platform

import numpy as np
import pyarrow as pa
import pytest

from tests.factories.artifacts import sample
from tests.scoring.scoring import DAY, ONE_MODEL, Scoring, values
from textclf.artifact import Artifact, Golden
from textclf.inference.compiled_scorer import CompiledScorer
from textclf.kernels.compiler import OFF

TEXTS = [(number, text) for number, text in enumerate(["good food", "bad", "", "the food was good again", "süß"])]


def test_hosts_that_score_without_numba_are_said_and_noted(scoring: Scoring, capfd: pytest.CaptureFixture[str]) -> None:
    scoring.promote(sample("yelp", kind="cnn"))
    scoring.configure(ONE_MODEL)
    path = scoring.write(TEXTS, "id int, text string")
    usual = scoring.score(path, day=DAY)
    expected = values(scoring.results, "id", "label", "score", "known_tokens")
    capfd.readouterr()

    workers = scoring.spark.sparkContext.environment
    workers[OFF] = "off"
    try:
        run = scoring.score(path, day=DAY)
    finally:
        del workers[OFF]

    assert usual.details["kernels"] == "numba"
    assert run.details["kernels"] == {platform.node(): f"numpy: {OFF}=off"}
    assert f"numba cannot run on {platform.node()} ({OFF}=off)" in capfd.readouterr().err
    assert values(scoring.results, "id", "label", "score", "known_tokens") == expected


def test_the_error_of_half_precision_is_measured_said_and_noted(
    scoring: Scoring, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = sample("yelp", kind="cnn", seed=3)
    texts = [text for _, text in TEXTS]
    exact, _ = CompiledScorer.of(plain).score(pa.array(texts))
    golden = Golden(texts, exact.astype(float).tolist())
    saved = scoring.promote(Artifact.pack(plain.manifest, plain.weights, plain.vocabulary, golden))
    scoring.configure(ONE_MODEL + "half = true\nall_scores = true\n")
    capfd.readouterr()

    run = scoring.score(scoring.write(TEXTS, "id int, text string"), day=DAY)

    found = np.array([row[1] for row in values(scoring.results, "id", "scores")])
    error = run.details["half_precision_errors"][saved.reference]
    assert error == pytest.approx(np.abs(found - exact).max(), rel=1e-3)
    assert 0 < error < 0.01
    said = f"{saved.reference}: half precision changes the golden scores by up to {error:.2g}"
    assert said in capfd.readouterr().err
    assert f"changes golden scores by up to {error:.2g}" in run.details["backends"][saved.reference]
