"""Install the locked Python packages: ``python -m textclf.spark.launch.python_packages [cpu|gpu] [--editable]``.

Set-up runs this with a Python that has only pip, which installs uv by its digest. uv installs the rest, with downloads
side by side. The argument is the build of TensorFlow. Without it an environment keeps the build that it has, and a new
one gets the build for GPUs only on a machine with a GPU.
"""

import argparse
import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from textclf.errors import TextclfError, UsageError
from textclf.spark.environments import CPU, GPU, TENSORFLOW, tensorflow_builds

LOCK, CPU_LOCK = "requirements.lock", "tensorflow-cpu.lock"
CHOICE = "TEXTCLF_TENSORFLOW"
"""Environment variable that tells ``setup.py`` which build the package requires."""

# What installs the rest. setuptools is there beforehand because pyspark has no wheel, and building it in isolation
# would fetch an unpinned one.
_TOOLS = ("packaging", "setuptools", "uv", "wheel")
_PIP = ("-m", "pip", "--disable-pip-version-check")
# Jars do not get smaller, and pyspark's wheel is unpacked at once.
_STORED = ("--config-settings-package", "pyspark:--build-option=--compression=stored")
_SIZES = {"tensorflow-cpu": "about 1.5 GB", "tensorflow": "about 1.8 GB"}
_HERE = f"{sys.platform}, {platform.machine()}"
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==")
_GPU_SIGNS = ("dev/nvidia[0-9]*", "proc/driver/nvidia")
# pip's settings that say where packages come from, by the variable with which uv is told the same.
_AS_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-cache-dir": "UV_NO_CACHE",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "trusted-host": "UV_INSECURE_HOST",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
}
_LISTS = {"find-links": ",", "extra-index-url": " ", "trusted-host": " "}
_OFF = ("", "0", "false", "no", "off")


class PackagesError(TextclfError):
    """The locked packages cannot be installed."""


def choose_build(asked: str, installed: Iterable[str], *, gpu: bool, both: bool) -> str:
    """Return which build of TensorFlow an environment gets: ``cpu`` or ``gpu``.

    Args:
        asked: Build that the user wants; empty without a wish.
        installed: Builds that the environment has.
        gpu: Whether this machine has a GPU.
        both: Whether both builds exist for this machine; elsewhere the one called ``gpu`` is the only one.

    Raises:
        UsageError: There is no such build for this machine.
    """
    possible = (CPU, GPU) if both else (GPU,)
    if asked and asked not in possible:
        raise UsageError(
            "There is no such build of TensorFlow for this machine.",
            received=f"TENSORFLOW={asked} on {_HERE}",
            expected=" or ".join(f"TENSORFLOW={build}" for build in possible),
        )
    return asked or next(iter(installed), GPU if gpu or not both else CPU)


def has_both_builds(system: str = sys.platform, machine: str | None = None) -> bool:
    """Whether TensorFlow's release has a build without GPUs for a machine."""
    return system == "linux" and (machine or platform.machine()) == "x86_64"


def has_gpu(root: Path = Path("/")) -> bool:
    """Whether this machine has a GPU of NVIDIA, by its devices or its driver's tool (the only sign in WSL)."""
    return any(any(root.glob(sign)) for sign in _GPU_SIGNS) or shutil.which("nvidia-smi") is not None


def locked(root: Path, build: str) -> str:
    """Return the requirements for a build of TensorFlow, with their digests.

    Args:
        root: Folder of the project.
        build: ``cpu`` or ``gpu``.
    """
    lines = (root / LOCK).read_text(encoding="utf-8")
    if build == GPU:
        return lines
    kept = [block for name, block in _entries(lines) if name != TENSORFLOW[GPU]]
    return "".join(kept) + (root / CPU_LOCK).read_text(encoding="utf-8")


def _entries(lock: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the lines of each requirement in a lock file."""
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", lock):
        if found := _NAME.match(block):
            yield found[1], block


def uv_settings(configured: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables and options that make uv look for packages where pip does.

    Args:
        configured: Output of ``pip config list``.
        environ: Environment of this process; variables of uv's that it has stay.
    """
    settings: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):  # of two, pip takes the later
        settings |= {key.removeprefix(section): value for key, value in _pairs(configured) if key.startswith(section)}
    settings = {name: value for name, value in settings.items() if value.lower() not in _OFF}
    # With digests, any index may have the file.
    made = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    for name, variable in _AS_UV.items():
        words = settings.get(name, "").split()
        if name == "find-links":  # pip only warns of a folder that is not there
            words = [word for word in words if "://" in word or Path(word).exists()]
        if words:
            made[variable] = _LISTS[name].join(words) if name in _LISTS else settings[name]
    variables = {variable: value for variable, value in made.items() if variable not in environ}
    return variables, ["--no-index"] if "no-index" in settings else []


def _pairs(configured: str) -> Iterator[tuple[str, str]]:
    for line in configured.splitlines():
        key, sign, value = line.partition("=")
        if sign:
            yield key, str(ast.literal_eval(value))


def install(root: Path, build: str, *, editable: bool) -> None:
    """Install the locked packages, and this one, into the running Python's environment.

    Args:
        root: Folder of the project.
        build: Build of TensorFlow, ``cpu`` or ``gpu``.
        editable: Whether the package stays in its folder, so that changes to it count at once.

    Raises:
        PackagesError: They cannot be installed.
    """
    lock = locked(root, build)
    tools = "".join(block for name, block in _entries(lock) if name in _TOOLS)
    with tempfile.TemporaryDirectory() as scratch:
        needed, everything = Path(scratch, "tools.txt"), Path(scratch, "packages.txt")
        needed.write_text(tools, encoding="utf-8")
        everything.write_text(lock, encoding="utf-8")
        _run([*_PIP, "install", "--quiet", "--require-hashes", "--only-binary", "uv", "-r", str(needed)], os.environ)
        said = _said([sys.executable, *_PIP, "config", "list"], os.environ)
        variables, options = uv_settings(said, os.environ)
        environ = {**os.environ, **variables, CHOICE: build}
        environ |= _cache(environ)
        there = tensorflow_builds()
        if there not in ([], [build]):  # of two, the one that is removed takes files of the other with it
            _uv("uninstall", *(TENSORFLOW[each] for each in there), environ=environ)
        install = ["install", "--no-deps", "--no-build-isolation", *options]
        _uv(*install, *_STORED, "--require-hashes", "-r", str(everything), environ=environ)
        own = ["--editable", str(root)] if editable else [str(root)]
        # Its cache knows a build of this package by the files, which do not tell the build of TensorFlow.
        _uv(*install, "--reinstall-package", "textclf", *own, environ=environ)


def _uv(command: str, *words: str, environ: Mapping[str, str]) -> None:
    _run(["-m", "uv", "pip", command, "--python", sys.executable, *words], environ)


def _run(words: Sequence[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run([sys.executable, *words], env=environ, check=False)
    if done.returncode:
        raise PackagesError(
            "The locked Python packages cannot be installed.",
            received=f"exit code {done.returncode} of {words[1]}, whose message is above",
            expected="a package index that answers; CPython 3.11 to 3.13 on Linux (x86_64, aarch64) or macOS (arm64); "
            f"this is {platform.python_implementation()} {platform.python_version()} on {_HERE}",
            fix="check the network and `pip config list`, whose index, proxy and certificates count here, too; "
            "then run it again: what has been downloaded is kept",
        )


def _said(command: Sequence[str], environ: Mapping[str, str]) -> str:
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False).stdout


def _cache(environ: Mapping[str, str]) -> dict[str, str]:
    """Return how uv uses its cache: not at all if it cannot write it, and with copies if it is on another disk."""
    said = _said([sys.executable, "-m", "uv", "cache", "dir"], environ).strip()
    try:
        folder = Path(said)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {"UV_NO_CACHE": "1"}
    if not said or not os.access(folder, os.W_OK | os.X_OK):
        return {"UV_NO_CACHE": "1"}
    return {} if folder.stat().st_dev == Path(sys.prefix).stat().st_dev else {"UV_LINK_MODE": "copy"}


def main(argv: Sequence[str]) -> int:
    """Install the packages. Returns the exit code: 0 if the environment has them."""
    made = argparse.ArgumentParser(prog="python_packages", description="Install the locked Python packages.")
    made.add_argument("build", nargs="?", default="", help="cpu or gpu: the build of TensorFlow")
    made.add_argument("--editable", action="store_true", help="leave this package in its folder")
    args = made.parse_args(argv)
    root, both = Path(__file__).resolve().parents[3], has_both_builds()
    try:
        build = choose_build(args.build, tensorflow_builds(), gpu=has_gpu(), both=both)
        other = f"; the other build: TENSORFLOW={GPU if build == CPU else CPU}" if both else ""
        sys.stderr.write(
            f"Packages: what {LOCK} pins, with {TENSORFLOW[build]}{other}. The first time this downloads "
            f"{_SIZES[TENSORFLOW[build]]}; uv keeps it in its cache\n"
        )
        install(root, build, editable=args.editable)
    except TextclfError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
