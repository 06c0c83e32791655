"""Score with Keras in too little memory for a full batch; print the batch size that the scorer ends with."""

import resource
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.factories.artifacts import sample
from textclf.inference.keras_scorer import KerasScorer


def main() -> None:
    given = {"num_filters": 256, "kernel_size": 3, "embedding_dim": 3}
    scorer = KerasScorer(sample(kind="cnn", max_length=1000, given=given))
    texts = pa.array(["bad food " * 490] * 40)
    expected, _ = scorer.score(texts)
    status = Path("/proc/self/status").read_text().splitlines()
    used = int(next(line for line in status if line.startswith("VmSize")).split()[1]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (used + (700 << 20),) * 2)
    scorer.rows = 4096  # 4,096 x 998 x 256 floats: 4 GiB
    scores, _ = scorer.score(texts)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    print(scorer.rows)


if __name__ == "__main__":
    main()
