"""Bins of scores: those that a model is calibrated in, that an audit counts rows in, and that pictures show."""

import numpy as np
import numpy.typing as npt

BINS = 15
"""Bins of equal width between 0 and 1, each open below and closed above, as of the calibration error in Guo et al.
2017, "On Calibration of Modern Neural Networks"."""


def bin_edges() -> npt.NDArray[np.float64]:
    """The ends of the bins, shape (BINS + 1,), rising."""
    return np.linspace(0, 1, BINS + 1)
