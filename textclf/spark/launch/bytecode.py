"""Compile the Python files of what jobs import, on all cores: ``python -m textclf.spark.launch.bytecode``.

Without compiled files each first process compiles what it imports on one core, and every process does so where
PYTHONDONTWRITEBYTECODE is set. The rest, which is most, is compiled afterwards by a process of the lowest priority:
tools of developers, tests of packages.
"""

import compileall
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from textclf.spark.environments import TENSORFLOW
from textclf.spark.launch.environment import LEAN_ROOTS, lean_distributions

_ROOTS = (*LEAN_ROOTS, *TENSORFLOW.values(), "jax", "keras", "venv-pack")
_CHUNK = 16  # files that a process takes at a time


def imported_files() -> Iterator[str]:
    """Yield the Python files of the distributions that jobs need, without those of the distributions' tests."""
    for found in lean_distributions(_ROOTS).values():
        for file in found.files or ():
            if file.suffix == ".py" and not {"test", "tests"}.intersection(file.parts):
                yield str(found.locate_file(file))


def main() -> int:
    """Compile the files, and start the process that compiles the rest. Returns the exit code: 0."""
    compiled = partial(compileall.compile_file, quiet=2)  # some packages hold files of other Pythons
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(compiled, sorted(filter(os.path.exists, imported_files())), chunksize=_CHUNK):
            pass
    rest = [sys.executable, "-P", "-m", "compileall", "-q", sysconfig.get_path("purelib")]
    silent = subprocess.DEVNULL
    subprocess.Popen(["nice", "-n", "19", *rest], stdin=silent, stdout=silent, stderr=silent, start_new_session=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
