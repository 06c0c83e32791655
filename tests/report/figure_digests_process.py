"""Save the figures in PATH and print their SHA-256: ``python -m tests.report.figure_digests_process PATH``."""

import hashlib
import sys

from tests.factories.figures import FIGURES
from textclf.report.training_figures import save


def main(path: str) -> None:
    for name in FIGURES:
        for file in save(FIGURES[name](), path):
            print(hashlib.sha256(file.read_bytes()).hexdigest())


if __name__ == "__main__":
    main(sys.argv[1])
