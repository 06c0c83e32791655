"""Check that the figures module imports matplotlib lazily, and that drawing does not change its settings."""

import sys

from textclf.report.training_figures import history_figure


def main() -> None:
    assert "matplotlib" not in sys.modules
    import matplotlib

    before = dict(matplotlib.rcParams)
    history_figure({"accuracy": [1.0], "loss": [0.1]})
    assert dict(matplotlib.rcParams) == before


if __name__ == "__main__":
    main()
