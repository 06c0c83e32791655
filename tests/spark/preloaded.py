"""Modules for a daemon to preload in tests: one that draws numbers with numba, and what a daemon must not keep."""

import threading
import time
from typing import Any

_compiled: Any = None


def draw() -> float:
    """Draw a number from numba's own generator."""
    return float(_compiled())


def compile_draw() -> None:
    """Compile ``draw``'s kernel."""
    global _compiled
    import numba
    import numpy as np

    _compiled = numba.njit(lambda: np.random.random())
    _compiled()


def start_thread() -> None:
    """Leave a thread, as some libraries do when they are imported."""
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
