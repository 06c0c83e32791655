"""Peak memory of training on a million labelled rows.

    python benchmarks/memory.py [--rows 1000000] [--architecture embedding_max_pooling] [--limit 4096]

Texts of up to 120 words, so that sequences keep their full length of 100, go through ingest, vocabulary and one epoch
of training. Printed: seconds of each step, and the peak resident memory of Python and of the driver's JVM, whose sum
the limit is for; the exit code is 1 above it.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

WORDS, LONGEST = 50_000, 120
_WRITTEN = 10_000  # rows made at once


def write_corpus(path: Path, rows: int) -> None:
    """Texts whose words follow Zipf's law; the share of even words of a text tells its label more often than not."""
    random = np.random.default_rng(1)
    names = np.array([f"w{number}" for number in range(WORDS)])
    shares = 1 / np.arange(1, WORDS + 1)
    edges = np.cumsum(shares / shares.sum())
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, rows, _WRITTEN):
            count = min(_WRITTEN, rows - start)
            labels = random.integers(0, 2, count)
            lengths = np.minimum(random.geometric(1 / 14, count), LONGEST)
            lengths[0] = LONGEST
            words = np.minimum(np.searchsorted(edges, random.random(lengths.sum())), WORDS - 1)
            moved = random.random(len(words)) < 0.2
            words = np.where(moved, words // 2 * 2 + np.repeat(labels, lengths), words) % WORDS
            for label, text in zip(labels, np.split(names[words], np.cumsum(lengths)[:-1]), strict=True):
                file.write(f"{' '.join(text)}\t{label}\n")


def peaks() -> dict[str, float]:
    """Peak resident memory, in MiB, of this Python and of the driver's JVM, which is its child."""
    found = {"Python": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    for status in Path("/proc").glob("[0-9]*/status"):
        fields = dict(line.split(":", 1) for line in status.read_text(errors="replace").splitlines() if ":" in line)
        if fields.get("PPid", "").strip() == str(os.getpid()) and fields["Name"].strip() == "java":
            found["JVM"] = int(fields["VmHWM"].split()[0]) / 1024
    return found


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Print how long a step took, and the peaks after it."""
    begin = time.perf_counter()
    yield
    memory = ", ".join(f"{name} {value:,.0f} MiB" for name, value in peaks().items())
    print(f"{step:<12}{time.perf_counter() - begin:>8.1f} s   {memory}", flush=True)


def train(path: Path, folder: Path, architecture: str) -> None:
    """All steps from the file to the model."""
    from textclf.config import parse_pipeline
    from textclf.corpus.ingest import ingest_corpus
    from textclf.corpus.vocabulary import build_vocabulary
    from textclf.runs.workspace import Workspace
    from textclf.spark import open_session
    from textclf.training.train import train_model

    pipeline = parse_pipeline(
        f'warehouse = "{folder / "warehouse"}"\n[[sources]]\nname = "s"\npath = "{path}"\nformat = "tsv"\n'
        'columns = ["text", "label"]\nlabels = ["0", "1"]\n[text]\nnum_words = 20000\nmax_length = 100\n'
        "[search]\nepochs = 1\nbatch_size = 512\n[train]\nvalidation_size = 0.1\n"
    )
    # A JVM takes what it is allowed; half of the limit is left to Python, which trains.
    settings = {"spark.master": "local[2]", "spark.driver.memory": "2g", "spark.ui.showConsoleProgress": "false"}
    spark = open_session("memory", settings)
    workspace = Workspace(spark, pipeline)
    with timed("ingest"):
        ingest_corpus(workspace, "run", pipeline.sources)
    with timed("vocabulary"):
        build_vocabulary(workspace, pipeline.sources)
    with timed("training"):
        trained = train_model(workspace, pipeline.sources[0], architecture, {})
    print(f"accuracy on {trained.evaluation.rows:,} test rows: {trained.evaluation.accuracy:.4f}")


def main() -> None:
    """Train, and compare the peak with the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--architecture", default="embedding_max_pooling")
    parser.add_argument("--limit", type=float, default=4096, metavar="MiB")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="textclf-memory-") as name:
        path = Path(name, "corpus.tsv")
        write_corpus(path, args.rows)
        print(f"{args.rows:,} rows, {path.stat().st_size >> 20:,} MiB of text, {args.architecture}")
        train(path, Path(name), args.architecture)
        total = sum(peaks().values())
    print(f"peak {total:,.0f} MiB of {args.limit:,.0f}")
    sys.exit(total > args.limit)


if __name__ == "__main__":
    main()
