"""Seconds a fit, beside plain Keras on TensorFlow as a notebook would have it, on one core, in one run.

    TEXTCLF_DATA=folder python benchmarks/training.py [--seeds 10]

The setting is that of a search over a small source: the CNN (64 filters of width 5 on 50 dimensions) on three
quarters of 750 training rows, that is 562 texts of up to 100 tokens, batches of 10, 20 epochs. Each way runs in a
process of its own and fits once for each seed:

plain     a Sequential model built, compiled and fitted anew each time, sequences padded to 100
ours      the same on TensorFlow, and on JAX: sequences cropped, compiled step kept, weights and optimizer set anew;
          on JAX twice, with an empty folder of compiled programs and with the one that the first process filled

Printed: seconds of the first fit of a process and the median of those that follow, as ratios to plain; mean and
spread of the accuracy on the rows left out. With the yelp sentences in TEXTCLF_DATA, else on the sample corpus.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from textclf.examples.sample_corpus import labelled_sentences

ROWS, MAX_LENGTH, EPOCHS, BATCH = 562, 100, 20, 10
FILTERS, WIDTH, DIMENSIONS = 64, 5, 50
WAYS = ("plain", "ours tensorflow", "ours jax")
RUNS = (  # label, way
    ("plain", "plain"),
    ("ours tensorflow", "ours tensorflow"),
    ("ours jax, empty cache", "ours jax"),
    ("ours jax, filled cache", "ours jax"),
)


def load() -> tuple[list[str], np.ndarray[Any, np.dtype[np.int32]]]:
    """750 training texts and labels: yelp's as scikit-learn splits them, or the sample corpus's first ones."""
    if folder := os.environ.get("TEXTCLF_DATA"):
        with Path(folder, "uci", "yelp_labelled.txt").open(encoding="utf-8", newline="\n") as file:
            pairs = [line.rstrip("\n").rpartition("\t")[::2] for line in file]
        chosen = np.random.RandomState(1000).permutation(len(pairs))[250:]
    else:
        pairs = [(text, label) for text, label in labelled_sentences("restaurants", seed=1)]
        chosen = np.arange(750)
    return [pairs[row][0] for row in chosen], np.array([int(pairs[row][1]) for row in chosen], np.int32)


def vocabulary_of(texts: list[str]) -> tuple[str, ...]:
    """Tokens by falling count, ties by first occurrence."""
    from textclf.text.tokenizer import tokenize

    counts: dict[str, int] = {}
    for text in texts:
        for token in tokenize(text):
            counts[token] = counts.get(token, 0) + 1
    return tuple(sorted(counts, key=lambda token: -counts[token]))


def plain(texts: list[str], labels: Any, seeds: int) -> list[tuple[float, float]]:
    """Seconds and accuracy of each fit, as a notebook writes it."""
    import keras

    from textclf.text.encoder import Encoder
    from textclf.text.vocabulary import Vocabulary

    vocabulary = Vocabulary(vocabulary_of(texts))
    inputs, _ = Encoder("keras", vocabulary, 5000, MAX_LENGTH).sequences(texts)
    found = []
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        begin = time.perf_counter()
        model = keras.Sequential(
            [
                keras.Input((MAX_LENGTH,)),
                keras.layers.Embedding(vocabulary.size(5000), DIMENSIONS),
                keras.layers.Conv1D(FILTERS, WIDTH, activation="relu"),
                keras.layers.GlobalMaxPooling1D(),
                keras.layers.Dense(10, activation="relu"),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
        model.fit(inputs[:ROWS], labels[:ROWS], epochs=EPOCHS, batch_size=BATCH, verbose=0)
        seconds = time.perf_counter() - begin
        found.append((seconds, float(model.evaluate(inputs[ROWS:], labels[ROWS:], verbose=0)[1])))
    return found


def ours(engine: str, texts: list[str], labels: Any, seeds: int) -> list[tuple[float, float]]:
    """Seconds and accuracy of each fit by the package."""
    from textclf.models import architecture
    from textclf.text.encoder import Encoder
    from textclf.text.vocabulary import Vocabulary
    from textclf.training.data import Rows
    from textclf.training.fit import ModelSpec, fit
    from textclf.training.keras_trainer import use_keras_backend
    from textclf.training.settings import FitSettings

    use_keras_backend(engine)
    import keras  # noqa: F401 - both ways are timed without the import

    made = architecture("cnn")
    wanted = made.parse({"num_filters": FILTERS, "kernel_size": WIDTH, "embedding_dim": DIMENSIONS})
    encoder = Encoder("keras", Vocabulary(vocabulary_of(texts)), 5000, MAX_LENGTH)
    rows = Rows(pa.array(texts[:ROWS]), labels[:ROWS])
    found = []
    for seed in range(seeds):
        settings = FitSettings(epochs=EPOCHS, batch_size=BATCH, seed=seed)
        begin = time.perf_counter()
        fitted = fit(ModelSpec(made, wanted, encoder, 2, settings), rows)
        seconds = time.perf_counter() - begin
        scores = fitted.predict(pa.array(texts[ROWS:]))
        found.append((seconds, float(np.mean(scores.argmax(axis=1) == labels[ROWS:]))))
    return found


def measure(way: str, seeds: int) -> None:
    """Fit once for each seed and print seconds and accuracies as JSON: the child's side of the benchmark."""
    texts, labels = load()
    kind, _, engine = way.partition(" ")
    found = ours(engine, texts, labels, seeds) if kind == "ours" else plain(texts, labels, seeds)
    sys.stdout.write(json.dumps(found) + "\n")


def child(way: str, seeds: int, cache: str) -> list[tuple[float, float]]:
    """One way in a process of its own, on one core; ``cache`` is where JAX's programs are kept."""
    command = [sys.executable, __file__, "--way", way, "--seeds", str(seeds)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ | threads | {"XDG_CACHE_HOME": cache},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    found: list[tuple[float, float]] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found


def main() -> None:
    """Measure every way and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        measure(args.way, args.seeds)
        return
    with tempfile.TemporaryDirectory(prefix="textclf-cache-") as cache:
        results = {label: child(way, args.seeds, cache) for label, way in RUNS}
    print(f"{ROWS} x {MAX_LENGTH}, batch {BATCH}, {EPOCHS} epochs, one core, {args.seeds} seeds")
    print(f"{'way':<24}{'first fit':>12}{'ratio':>8}{'next fits':>12}{'ratio':>8}{'accuracy':>20}")
    base = [seconds for seconds, _ in results["plain"]]
    for way, found in results.items():
        first, rest = found[0][0], statistics.median(seconds for seconds, _ in found[1:])
        accuracies = [accuracy for _, accuracy in found]
        spread = f"{statistics.mean(accuracies):.4f} +- {statistics.stdev(accuracies):.4f}"
        ratios = base[0] / first, statistics.median(base[1:]) / rest
        print(f"{way:<24}{first:>10.2f} s{ratios[0]:>8.2f}{rest:>10.2f} s{ratios[1]:>8.2f}{spread:>20}")


if __name__ == "__main__":
    main()
