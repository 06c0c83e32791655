"""The tutorial's search, 9 candidates in 4 folds of 20 epochs, as it is written today and as search_models runs it.

Every way has a process of its own, two slots, one after the other:

- scikit-learn: RandomizedSearchCV over an estimator of plain Keras on TensorFlow, ``n_jobs=2``;
- joblib-spark: the same with joblib's Spark backend;
- ours: search_models on JAX, with an empty and with a filled compilation cache, and with one slot; its time includes
  the baseline's trials, the training of the winner, its test and every write.

``--overhead`` measures what the fan-out costs beside the fits, for 36 to 3,600 trials: the time of both slots from the
first trial's begin to the last one's end, over the sum of the fits. ``--thousand`` searches a thousand sources in one
job and prints the peak memory of the driver.

    python benchmarks/search.py [--overhead | --thousand]

With ``TEXTCLF_DATA`` the texts are yelp's of the UCI sentences, else the sample corpus.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

SPACE: dict[str, list[int]] = {"num_filters": [32, 64, 128], "kernel_size": [3, 5, 7]}
FOLDS, EPOCHS, BATCH, DIMENSIONS, MAX_LENGTH, SEED = 4, 20, 10, 50, 100, 1000
WAYS = ("scikit-learn", "joblib-spark", "ours, empty cache", "ours, filled cache", "ours, 1 slot")
PAIRS = 5  # of runs with one slot and with two: one run of either is a tenth longer or shorter than the next
ROOT = Path(__file__).parents[1]


def load() -> list[tuple[str, str]]:
    """Texts and labels."""
    if folder := os.environ.get("TEXTCLF_DATA"):
        with Path(folder, "uci", "yelp_labelled.txt").open(encoding="utf-8", newline="\n") as file:
            return [(text, label) for text, _, label in (line.rstrip("\n").rpartition("\t") for line in file)]
    from textclf.examples.sample_corpus import labelled_sentences

    return [(text, label) for text, label in labelled_sentences("restaurants", seed=1)]


# long: what it is compared with, as a notebook writes it.
def scikit_learn(backend: str) -> dict[str, float]:
    """Seconds, best mean accuracy and trials of RandomizedSearchCV over an estimator as a notebook writes it."""
    import joblib
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import RandomizedSearchCV, train_test_split

    from textclf.text.encoder import Encoder
    from textclf.text.tokenizer import tokenize
    from textclf.text.vocabulary import Vocabulary

    class KerasCnn(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def __init__(self, num_filters: int = 32, kernel_size: int = 3, vocabulary: int = 0) -> None:
            self.num_filters, self.kernel_size, self.vocabulary = num_filters, kernel_size, vocabulary

        def fit(self, inputs: Any, labels: Any) -> "KerasCnn":
            import keras

            self.classes_ = np.unique(labels)
            self.model_ = keras.Sequential(
                [
                    keras.Input((MAX_LENGTH,)),
                    keras.layers.Embedding(self.vocabulary, DIMENSIONS),
                    keras.layers.Conv1D(self.num_filters, self.kernel_size, activation="relu"),
                    keras.layers.GlobalMaxPooling1D(),
                    keras.layers.Dense(10, activation="relu"),
                    keras.layers.Dense(1, activation="sigmoid"),
                ]
            )
            self.model_.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
            self.model_.fit(inputs, labels, epochs=EPOCHS, batch_size=BATCH, verbose=0)
            return self

        def predict(self, inputs: Any) -> Any:
            return (self.model_.predict(inputs, verbose=0)[:, 0] > 0.5).astype(int)

    texts, labels = zip(*load(), strict=True)
    split = train_test_split(texts, np.array(labels, int), test_size=0.25, random_state=SEED)
    counts: dict[str, int] = {}
    for text in split[0]:
        for token in tokenize(text):
            counts[token] = counts.get(token, 0) + 1
    vocabulary = Vocabulary(tuple(sorted(counts, key=lambda token: -counts[token])))
    inputs, _ = Encoder("keras", vocabulary, 5000, MAX_LENGTH).sequences(split[0])
    if backend == "spark":
        from joblibspark import register_spark

        from textclf.spark import open_session

        open_session("joblib-spark", {"spark.master": "local[2]"})
        register_spark()
    search = RandomizedSearchCV(
        KerasCnn(vocabulary=vocabulary.size(5000)), SPACE, n_iter=9, cv=FOLDS, n_jobs=2, random_state=SEED
    )
    begin = time.perf_counter()
    with joblib.parallel_backend(backend, n_jobs=2):
        search.fit(inputs, split[2])
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "accuracy": float(search.best_score_), "trials": 9 * FOLDS}


def prepare(folder: Path, slots: int, sources: dict[str, list[tuple[str, str]]], search: str, memory: str) -> Any:
    """A workspace of corpora that are there, with their vocabularies."""
    from textclf.config import parse_pipeline
    from textclf.corpus.vocabulary import build_vocabulary
    from textclf.runs.workspace import Workspace
    from textclf.spark import FEW_ROWS, open_session
    from textclf.storage.schemas import CORPUS

    settings = {"spark.ui.showConsoleProgress": "false", "spark.driver.memory": memory}
    spark = open_session("search benchmark", {"spark.master": f"local[{slots}]", **settings, **FEW_ROWS})
    names = "".join(f'[[sources]]\nname = "{name}"\npath = "unused"\nformat = "jsonl"\n' for name in sources)
    pipeline = parse_pipeline(f'warehouse = "{folder}"\n{names}\n{search}')
    workspace = Workspace(spark, pipeline)
    rows = [
        (name, "a", place, text, label) for name, pairs in sources.items() for place, (text, label) in enumerate(pairs)
    ]
    workspace.warehouse.replace_sources(spark.createDataFrame(rows, CORPUS.schema), CORPUS, list(sources))
    build_vocabulary(workspace, pipeline.sources)
    return workspace


def ours(slots: int) -> dict[str, float]:
    """Seconds, best mean accuracy of a network, and trials of search_models."""
    from textclf.search.search import search_models

    search = f"""
[train]
keras_backend = "jax"
[search]
strategy = "grid"
folds = {FOLDS}
epochs = {EPOCHS}
batch_size = {BATCH}
beat_baseline = false
[search.space]
num_filters = {SPACE["num_filters"]}
kernel_size = {SPACE["kernel_size"]}
embedding_dim = [{DIMENSIONS}]
"""
    with tempfile.TemporaryDirectory() as folder:
        workspace = prepare(Path(folder), slots, {"yelp": load()}, search, "2g")
        begin = time.perf_counter()
        report = search_models(workspace, workspace.pipeline.sources, "benchmark")
        seconds = time.perf_counter() - begin
        verdict = report.outcomes["yelp"].verdict
        assert verdict is not None
        workspace.spark.stop()
    accuracy = verdict.chosen.accuracy
    return {"seconds": seconds, "accuracy": accuracy, "trials": report.ran, "span": span(report.results)}


def span(results: list[tuple[Any, Any]]) -> float:
    """Seconds from the first trial's begin to the last one's end."""
    first = min(result.started_at for _, result in results)
    return float(max(result.started_at + result.seconds for _, result in results) - first)


# By number of trials, times a thousand sentences: fits as long as the tutorial's, and half as long for more of them.
SEEDS = {36: 700, 360: 350, 3600: 350}


def overhead(trials: int) -> dict[str, float]:
    """Wall time against the sum of the fits, of logistic regressions."""
    from textclf.examples.sample_corpus import labelled_sentences
    from textclf.search.search import search_models

    values = [round(float(value), 6) for value in np.geomspace(0.1, 10, trials // FOLDS)]
    search = f'[search]\nstrategy = "grid"\nfolds = {FOLDS}\narchitecture = "logistic_regression"\n'
    search += f"[search.space]\nC = {values}\n"
    texts = [pair for seed in range(SEEDS[trials]) for pair in labelled_sentences("restaurants", seed=seed)]
    with tempfile.TemporaryDirectory() as folder:
        workspace = prepare(Path(folder), 2, {"s": texts}, search, "2g")
        begin = time.perf_counter()
        report = search_models(workspace, workspace.pipeline.sources, "benchmark")
        workspace.spark.stop()
    fits = sum(result.seconds for _, result in report.results)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "fits": fits, "trials": report.ran, "span": span(report.results)}


def thousand(count: int) -> dict[str, float]:
    """Seconds and the driver's peak memory for that many sources of 40 to 400 rows."""
    import resource

    from textclf.examples.sample_corpus import labelled_sentences
    from textclf.search.search import search_models

    pairs = list(labelled_sentences("restaurants", seed=1))
    generator = np.random.default_rng(1)
    sources = {
        f"s{number}": [pairs[place] for place in generator.permutation(len(pairs))[: generator.integers(40, 400)]]
        for number in range(count)
    }
    search = (
        '[search]\nstrategy = "grid"\nfolds = 2\narchitecture = "logistic_regression"\n[search.space]\nC = [0.3, 1.0]\n'
    )
    with tempfile.TemporaryDirectory() as folder:
        workspace = prepare(Path(folder), 2, sources, search, "1g")
        begin = time.perf_counter()
        report = search_models(workspace, workspace.pipeline.sources, "benchmark")
        seconds = time.perf_counter() - begin
        java = workspace.spark.sparkContext._gateway.proc.pid
        peak = next(line for line in Path(f"/proc/{java}/status").read_text().splitlines() if line.startswith("VmHWM"))
        workspace.spark.stop()
    python = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    winners = sum(outcome.promoted for outcome in report.outcomes.values())
    found = {"seconds": seconds, "trials": report.ran, "winners": winners}
    return found | {"python_gib": python, "jvm_gib": int(peak.split()[1]) / 2**20}


def child(argument: str, cache: Path) -> dict[str, float]:
    """One measurement in a process of its own, with that folder for what JAX compiles."""
    environ = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, "--measure", argument]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if done.returncode:
        raise SystemExit(f"{argument} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found


def measure(argument: str) -> dict[str, float]:
    """What the child measures."""
    kind, _, number = argument.partition(":")
    if kind == "overhead":
        return overhead(int(number))
    if kind == "thousand":
        return thousand(int(number))
    if kind.startswith("ours"):
        return ours(1 if kind.endswith("1 slot") else 2)
    return scikit_learn("spark" if kind == "joblib-spark" else "loky")


def compare(cache: Path) -> None:
    """The table of the ways."""
    results = {way: child(way, cache) for way in WAYS}
    base = results["scikit-learn"]["seconds"] / results["scikit-learn"]["trials"]
    print(f"{'way':<20}{'trials':>7}{'seconds':>10}{'trials a minute':>17}{'ratio':>8}{'accuracy':>10}")
    for way, found in results.items():
        rate = found["trials"] / found["seconds"]
        shown = f"{found['trials']:>7.0f}{found['seconds']:>10.1f}{60 * rate:>17.1f}{rate * base:>8.2f}"
        print(f"{way:<20}{shown}{found['accuracy']:>10.4f}")
    pairs = [(results["ours, 1 slot"], results["ours, filled cache"])]
    pairs += [(child("ours, 1 slot", cache), child("ours, filled cache", cache)) for _ in range(PAIRS - 1)]
    whole, alone = (sorted(one[name] / two[name] for one, two in pairs) for name in ("seconds", "span"))
    print(
        f"2 slots to 1 slot, median of {PAIRS} pairs of runs: {median(whole):.2f} ({whole[0]:.2f} to {whole[-1]:.2f}),"
    )
    print(f"from the first trial's begin to the last one's end {median(alone):.2f} ({alone[0]:.2f} to {alone[-1]:.2f})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overhead", action="store_true", help="what the fan-out costs beside the fits")
    parser.add_argument("--thousand", action="store_true", help="a thousand sources in one job")
    parser.add_argument("--sources", type=int, default=1000, help="how many sources instead of a thousand")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        sys.stdout.write(json.dumps(measure(args.measure)) + "\n")
        return
    with tempfile.TemporaryDirectory() as cache:
        if args.overhead:
            print(f"{'trials':>7}{'mean fit, s':>13}{'fits, s':>10}{'first to last, s':>18}{'overhead':>10}")
            for trials in SEEDS:
                found = child(f"overhead:{trials}", Path(cache))
                share = 2 * found["span"] / found["fits"] - 1
                mean = found["fits"] / trials
                print(f"{trials:>7}{mean:>13.3f}{found['fits']:>10.1f}{found['span']:>18.1f}{share:>10.1%}", flush=True)
        elif args.thousand:
            found = child(f"thousand:{args.sources}", Path(cache))
            print(", ".join(f"{name} {value:.2f}" for name, value in found.items()))
        else:
            compare(Path(cache))


if __name__ == "__main__":
    main()
