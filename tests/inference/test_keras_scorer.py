"""The Keras scorer with texts of any length, batches of any composition and limited memory."""

import numpy as np
import pyarrow as pa
import pytest

from tests.factories.artifacts import sample
from tests.processes import run_module
from textclf.artifact import Artifact, keras_model, network_scores
from textclf.inference.keras_scorer import KerasScorer

GIVEN = {
    "cnn": {"num_filters": 4, "kernel_size": 3, "embedding_dim": 3},
    "embedding_flatten": {"embedding_dim": 3},
    "dense": {},
    "recurrent": {"units": 3, "embedding_dim": 3},
    "attention": {"embedding_dim": 3},
}
TEXTS = ["", "the food was good", "zzz", None, "bad " * 13, "bad food " * 15, "good the " * 40, "was again " * 300]


def artifact_of(kind: str) -> Artifact:
    return sample(kind=kind, max_length=100, given=GIVEN[kind])


@pytest.mark.parametrize("kind", list(GIVEN))
def test_a_text_scores_as_the_network_does_at_its_full_length(kind: str) -> None:
    artifact = artifact_of(kind)
    texts = pa.array(TEXTS)
    encoder = artifact.encoder
    inputs = encoder.counts(texts.fill_null(""))[0] if kind == "dense" else encoder.sequences(texts.fill_null(""))[0]

    scores, known = KerasScorer(artifact).score(texts)

    np.testing.assert_allclose(scores, network_scores(keras_model(artifact), inputs), atol=1e-6)
    assert known.tolist() == [0, 4, 0, 0, 13, 30, 80, 600]


def test_neighbours_and_calls_change_no_bit() -> None:
    scorer = KerasScorer(artifact_of("cnn"))
    texts = pa.array([text for text in TEXTS if text is not None])

    alone = np.vstack([scorer.score(texts.slice(row, 1))[0] for row in range(len(texts))])
    many, _ = scorer.score(pa.concat_arrays([texts] * 100))

    assert np.array_equal(many, np.tile(alone, (100, 1)))


def test_calls_become_smaller_where_memory_does_not_suffice() -> None:
    done = run_module("tests.inference.small_memory_process")

    assert 1 <= int(done.stdout.split()[-1]) < 4096
    assert "out of memory, scoring 2048 rows at a time" in done.stderr
