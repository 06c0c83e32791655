"""Print the heavy modules that are loaded after compiled models have scored."""

import sys

import pyarrow as pa

import textclf.scoring.score  # noqa: F401 - what a scoring run imports
from tests.factories.artifacts import sample
from textclf.inference.compiled_scorer import CompiledScorer


def main() -> None:
    for kind in ("logistic_regression", "dense", "cnn", "kim_cnn", "embedding_flatten"):
        CompiledScorer.of(sample(kind=kind)).score(pa.array(["good"]))
    print(sorted({"tensorflow", "keras", "sklearn", "pandas"} & set(sys.modules)))


if __name__ == "__main__":
    main()
