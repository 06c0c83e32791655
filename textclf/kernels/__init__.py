"""Kernels: compiled loops over text and tables, with equivalents in numpy."""

import os

# Numba's colours of error messages would end a process with a control sequence on its terminal.
os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
