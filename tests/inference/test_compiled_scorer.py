"""The compiled scorer gives the scores of Keras, in batches of any size."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories.artifacts import WORDS, sample
from tests.factories.awkward_texts import TEXTS, random_texts
from tests.processes import run_module
from textclf.artifact import Artifact
from textclf.errors import UsageError
from textclf.inference.backends import choose
from textclf.inference.compile_model import compile_model
from textclf.inference.compiled_model import CompiledModel
from textclf.inference.compiled_scorer import CompiledScorer
from textclf.inference.scorer import make_scorer
from textclf.models import ARCHITECTURES, architecture
from textclf.text.tokenizer import TOKENIZERS

SMALL = {"embedding_dim": 5}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "logistic_regression": ("logistic_regression", {}),
    "dense": ("dense", {}),
    "flatten": ("embedding_flatten", SMALL),
    "max": ("embedding_max_pooling", SMALL),
    "average": ("embedding_average_pooling", SMALL),
    "cnn_1": ("cnn", SMALL | {"num_filters": 6, "kernel_size": 1}),
    "cnn_5": ("cnn", SMALL | {"num_filters": 33, "kernel_size": 5}),
    "cnn_3": ("cnn", SMALL | {"num_filters": 80, "kernel_size": 3}),
    "cnn_7": ("cnn", SMALL | {"num_filters": 100, "kernel_size": 7}),
    "cnn_whole": ("cnn", SMALL | {"num_filters": 6, "kernel_size": 9}),
    "kim": ("kim_cnn", SMALL | {"num_filters": 6, "kernel_sizes": "2,3,4,7"}),
    "kim_two_channels": (
        "kim_cnn",
        SMALL | {"num_filters": 6, "kernel_sizes": "3", "channels": "two", "pretrained": "read in training alone"},
    ),
}
COMPILED = [name for name, made in ARCHITECTURES.items() if made.compilation(made.parse({})) is not None]
CASES |= {
    name: (name, {key: value for key, value in SMALL.items() if key in architecture(name).hyperparameters.model_fields})
    for name in COMPILED
    if name not in {kind for kind, _ in CASES.values()}
}
LENGTH = 9
# Lengths around max_length and the kernel widths, empty texts, unknown words only, and very long texts.
EDGES = [" ".join(WORDS[:length] * 3)[: 6 * length] for length in range(14)]
EDGES += ["", " ", "\t\n", "zzz", "good " * 8, "good " * 9, "good " * 10, "Good bad " * 50_000, "x" * 1_000_000]


@cache
def model(case: str, labels: int = 2, words: tuple[str, ...] = WORDS) -> Artifact:
    kind, given = CASES[case]
    names = ("0", "1") if labels == 2 else tuple("abcdef"[:labels])
    return sample(kind=kind, labels=names, words=words, max_length=LENGTH, given=given)


@cache
def scorers(case: str, labels: int = 2) -> tuple[Any, CompiledScorer]:
    return make_scorer(model(case, labels)), CompiledScorer.of(model(case, labels))


def agree(reference: Any, compiled: CompiledScorer, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    expected, expected_known = reference.score(pa.array(texts, pa.string()))
    scores, known = compiled.score(pa.array(texts, pa.string()))
    np.testing.assert_allclose(scores, expected, atol=1e-5, rtol=0)
    assert np.array_equal(known, expected_known)
    ordered = np.sort(expected, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 1e-5 if len(texts) else np.zeros(0, bool)
    assert np.array_equal(scores.argmax(axis=1)[clear], expected.argmax(axis=1)[clear])
    return scores


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_keras_on_texts_of_every_length(case: str, labels: int) -> None:
    scores = agree(*scorers(case, labels), EDGES)
    assert len(np.unique(scores[:, 0])) > 3


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(TEXTS, st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)), max_size=6))
def test_scores_are_those_of_keras_on_any_texts(case: str, texts: list[str]) -> None:
    agree(*scorers(case), texts)


def vocabulary_of(tokenizer: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Return every other token of the texts."""
    return tuple(sorted({token for text in texts for token in TOKENIZERS[tokenizer](text)}))[::2]


@pytest.mark.parametrize("case", ["logistic_regression", "dense", "flatten", "max", "average", "cnn_5", "kim"])
def test_scores_are_those_of_keras_on_random_unicode(case: str) -> None:
    texts = random_texts(100_000 if case == "cnn_5" else 5_000)
    artifact = model(case, words=vocabulary_of(model(case).manifest.tokenizer, texts[:5_000]))
    agree(make_scorer(artifact), CompiledScorer.of(artifact), texts)


@pytest.mark.parametrize("case", ["logistic_regression", "dense", "flatten", "max", "average", "cnn_5", "kim"])
def test_scores_are_those_of_keras_on_real_texts(case: str, data: Path) -> None:
    files = [*sorted((data / "uci").glob("*_labelled.txt")), data / "sms_spam/SMSSpamCollection"]
    lines = [line for file in files for line in file.read_text("utf-8").split("\n")]
    lines += [line for file in sorted((data / "trec").glob("TREC.*")) for line in file.read_text("latin-1").split("\n")]
    assert len(lines) > 13_000
    artifact = model(case, words=vocabulary_of(model(case).manifest.tokenizer, lines))
    agree(make_scorer(artifact), CompiledScorer.of(artifact), lines)


@pytest.mark.parametrize("case", CASES)
def test_a_score_depends_on_no_neighbour_batch_or_layout(case: str) -> None:
    scorer, texts = CompiledScorer.of(model(case, 3)), pa.array([*EDGES, *random_texts(300)])
    whole, _ = scorer.score(texts)
    alone = np.vstack([scorer.score(texts[row : row + 1])[0] for row in range(len(texts))])
    backwards, _ = scorer.score(texts.take(pa.array(range(len(texts) - 1, -1, -1))).cast(pa.large_string()))
    assert np.array_equal(whole, alone)
    assert np.array_equal(whole, backwards[::-1])


@pytest.mark.parametrize("case", CASES)
def test_numpy_gives_the_same_bits_where_numba_cannot_run(case: str) -> None:
    from textclf.kernels import layers_numpy

    scorer, other = CompiledScorer.of(model(case, 3)), CompiledScorer.of(model(case, 3))
    other.loops = layers_numpy
    texts = pa.array([*EDGES, *random_texts(50)])
    assert np.array_equal(scorer.score(texts)[0], other.score(texts)[0])


@pytest.mark.parametrize("case", ["logistic_regression", "flatten", "kim"])
def test_a_mapped_file_scores_the_same(case: str, tmp_path: Path) -> None:
    compiled = compile_model(model(case, 3))
    compiled.save(tmp_path / "model.safetensors")
    mapped = CompiledModel.load(tmp_path / "model.safetensors")
    assert mapped.info == compiled.info
    texts = pa.array(EDGES)
    assert np.array_equal(CompiledScorer(mapped).score(texts)[0], CompiledScorer(compiled).score(texts)[0])
    for tensors in (mapped.tensors, compiled.tensors):
        assert {tensor.ctypes.data % 64 for tensor in tensors.values() if tensor.size} == {0}


@pytest.mark.parametrize("case", ["cnn_5", "kim", "max"])
def test_half_precision_is_near_and_half_as_large(case: str) -> None:
    whole, half = compile_model(model(case)), compile_model(model(case), half=True)
    assert 2 * half.tensors["pool_0.table"].nbytes == whole.tensors["pool_0.table"].nbytes
    texts = pa.array(EDGES)
    difference = np.abs(CompiledScorer(half).score(texts)[0] - CompiledScorer(whole).score(texts)[0]).max()
    assert 0 < difference < 5e-3


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES.keys() - set(COMPILED)))
def test_what_cannot_be_compiled_goes_to_keras_and_says_so(kind: str) -> None:
    artifact = sample(kind=kind, given=SMALL)
    choice = choose(artifact, "auto")
    assert choice.name == "keras"
    assert f"cannot be compiled: {kind}" in choice.why
    with pytest.raises(UsageError, match=r"cannot be compiled(.|\n)*--backend keras"):
        choose(artifact, "compiled")
    assert choose(model("cnn_5"), "auto").name == "compiled"
    assert choose(model("cnn_5"), "keras").name == "keras"


def test_a_table_that_would_not_fit_names_the_vocabulary_that_would() -> None:
    artifact = model("cnn_5", words=tuple(f"w{number}" for number in range(9_999)))
    a_word = 5 * 33 * 4
    with pytest.raises(UsageError, match="num_words = 1,588") as error:
        choose(artifact, "compiled", max_table_bytes=1 << 20)
    assert f"10,000 words of {a_word} bytes" in str(error.value)
    assert (1 << 20) // a_word == 1_588
    assert choose(artifact, "auto", max_table_bytes=1 << 20).name == "keras"
    assert choose(artifact, "compiled", max_table_bytes=1 << 22, half=True).half


def test_a_backend_that_this_release_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="one of: auto, compiled, keras"):
        choose(model("dense"), "quantum")


def test_neither_import_nor_scoring_needs_tensorflow() -> None:
    done = run_module("tests.inference.compiled_imports_process")
    assert "tensorflow" not in done.stdout
    assert "keras" not in done.stdout
