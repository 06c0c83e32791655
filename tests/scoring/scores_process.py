"""Print a stored model's scores as JSON: ``python -m tests.scoring.scores_process STORE MODEL TEXT ...``."""

import json
import sys

import pyarrow as pa

from textclf.artifact import ModelStore
from textclf.inference.scorer import make_scorer


def main(folder: str, name: str, *texts: str) -> None:
    scores, _ = make_scorer(ModelStore(folder).load(name)).score(pa.array(texts))
    print(json.dumps(scores.tolist()))


if __name__ == "__main__":
    main(*sys.argv[1:])
