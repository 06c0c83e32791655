"""How long a command takes from nothing: the interpreter, the command line, a label, an empty Spark.

    python benchmarks/startup.py [--repeats 5] [--no-spark]

Each is a process of its own, the file cache warm; the median counts. Ratios are to ``python -c pass``. ``predict``
labels one text, with evidence, by a CNN of 5,000 words with random weights.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_EMPTY_JOB = "from textclf.session import open_session; open_session('empty', {'spark.master': 'local[2]'}).stop()"


def write_model(folder: Path) -> None:
    """A CNN as the tutorial has it: 128 filters of width 5 on 100 dimensions."""
    from textclf.artifact import Artifact, Golden, Manifest, ModelStore
    from textclf.models import InputShape, architecture
    from textclf.text.vocabulary import Vocabulary

    made, random = architecture("cnn"), np.random.default_rng(1)
    vocabulary = Vocabulary(("good", "food", *(f"word{number}" for number in range(4997))))
    hyperparameters, shape = made.parse({}), InputShape(5000, 100, 2)
    tensors = made.tensors(hyperparameters, shape)
    weights = {name: random.normal(size=size).astype(np.float32) for name, size in tensors.items()}
    manifest = Manifest(
        name="reviews", architecture="cnn", hyperparameters=hyperparameters.model_dump(), labels=["0", "1"],
        tokenizer="keras", num_words=5000, max_length=100, metrics={}, training={}, corpus_digest="", packages={},
    )  # fmt: skip
    store = ModelStore(str(folder))
    store.save(Artifact.pack(manifest, weights, vocabulary, Golden([], [])))
    store.promote("reviews", "1")


def seconds(command: Sequence[str], repeats: int) -> float:
    """Median wall time of a command, after one run that warms the file cache."""
    taken = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken[1:])


def main() -> int:
    """Measure and print."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--no-spark", action="store_true", help="leave out the empty session")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder))
        python = sys.executable
        predict = ["predict", "good food", "--models", folder, "--evidence"]
        commands = {
            "python -c pass": [python, "-c", "pass"],
            "import textclf": [python, "-c", "import textclf"],
            "textclf --help": [python, "-m", "textclf", "--help"],
            "import textclf.artifact": [python, "-c", "import textclf.artifact, textclf.scoring.backends"],
            "textclf predict TEXT": [python, "-m", "textclf", *predict],
        }
        if not args.no_spark:
            commands["an empty session"] = [python, "-c", _EMPTY_JOB]
        print("| command | seconds | x python -c pass |\n|---|---|---|")
        base = None
        for name, command in commands.items():
            taken = seconds(command, args.repeats)
            base = base or taken
            print(f"| {name} | {taken:.3f} | {taken / base:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
