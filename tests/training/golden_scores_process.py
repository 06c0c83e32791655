"""Score with stored models in a process that did not train them.

``python -m tests.training.golden_scores_process FOLDER`` prints as JSON, by model, the largest difference between
the scores of its golden texts and the recorded ones.
"""

import json
import sys

import numpy as np
import pyarrow as pa

from textclf.artifact import ModelStore
from textclf.inference.scorer import make_scorer


def main(folder: str) -> None:
    store, found = ModelStore(folder), {}
    for name in store.names():
        artifact = store.load(name, "1")
        scores, _ = make_scorer(artifact).score(pa.array(artifact.golden.texts))
        found[name] = float(np.abs(scores - np.array(artifact.golden.scores)).max())
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
