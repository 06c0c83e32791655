"""Versions of installed packages, also of TensorFlow, which has a distribution for each of its builds.

``python -m textclf.common.package_versions`` prints which build of TensorFlow is installed.
"""

import sys
from importlib.metadata import PackageNotFoundError, version

CPU, GPU = "cpu", "gpu"
TENSORFLOW = {CPU: "tensorflow-cpu", GPU: "tensorflow"}
"""The distribution of each build of TensorFlow; both have the same files, so only one of them may be installed."""


def package_version(name: str) -> str:
    """Return the version of an installed package; ``tensorflow`` stands for either build of it.

    Args:
        name: Name of the distribution.

    Raises:
        PackageNotFoundError: It is not installed.

    Example:
        >>> package_version("pyspark")
        '4.2.0'
    """
    builds = tensorflow_builds() if name == TENSORFLOW[GPU] else []
    return version(TENSORFLOW[builds[0]] if builds else name)


def tensorflow_builds() -> list[str]:
    """Return the installed builds of TensorFlow, ``cpu`` or ``gpu``; both after a mistake."""
    return [build for build, package in TENSORFLOW.items() if _is_installed(package)]


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.stdout.write(" ".join(tensorflow_builds()) + "\n")
