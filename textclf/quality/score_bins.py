"""Bins of scores, shared by the calibration error, the audit and the figures of reports."""

import numpy as np
import numpy.typing as npt

BINS = 15
"""Number of bins of equal width between 0 and 1, each open below and closed above, as in the calibration error of Guo
et al. 2017, "On Calibration of Modern Neural Networks"."""


def bin_edges() -> npt.NDArray[np.float64]:
    """Return the edges of the bins in ascending order, shape (BINS + 1,)."""
    return np.linspace(0, 1, BINS + 1)
