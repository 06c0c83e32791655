"""Run a small fit on JAX with a seed: ``python -m tests.training.initial_weights_process SEED``.

Prints as JSON whether an earlier process kept initial weights, whether Keras was imported, the history of the fit, and
the sum of the absolute weights of each tensor.
"""

import json
import sys

import numpy as np
import pyarrow as pa

from tests.factories.corpora import invented
from textclf.models import InputShape, KerasArchitecture, architecture
from textclf.text.encoder import Encoder
from textclf.text.tokenizer import tokenize
from textclf.text.vocabulary import Vocabulary
from textclf.training.jax.initial_weights import any_kept
from textclf.training.keras_trainer import Network, prepare_engine
from textclf.training.settings import FitSettings
from textclf.training.validated_fit import fit_watched


def main(seed: int) -> None:
    texts, labels = zip(*invented(24), strict=True)
    vocabulary = Vocabulary(tuple(sorted({word for text in texts for word in tokenize(text)})))
    made = architecture("cnn")
    assert isinstance(made, KerasArchitecture)
    wanted = made.parse({"num_filters": 4, "embedding_dim": 5, "kernel_size": 3})
    encoder = Encoder("keras", vocabulary, 100, 30)
    network = Network(made, wanted, encoder, InputShape(vocabulary.size(100), 30, 2))
    settings = FitSettings(epochs=3, batch_size=5, seed=seed, learning_rate=0.01)
    prepare_engine()
    before, rows, numbers = any_kept(), np.arange(24), np.array(labels, np.int32)
    inputs = network.training_inputs(pa.array(texts))
    found = fit_watched(network, inputs, numbers, rows[:18], rows[18:], settings)
    sums = [float(np.abs(tensor).sum()) for tensor in found.weights()]
    print(json.dumps([before, "keras" in sys.modules, found.history, sums]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
