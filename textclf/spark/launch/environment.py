"""The Python environment of executors as an archive: the full one, or a lean one without what only training needs."""

import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import source_from_cache
from pathlib import Path

from textclf.common.atomic_files import replace_file
from textclf.errors import TextclfError
from textclf.spark.environments import LEAN
from textclf.spark.launch.bundle import made_once, made_path

ENVIRONMENT = "environment"  # the folder into which executors unpack the archive
LEAN_ROOTS = (
    "delta-spark",
    "jinja2",
    "llvmlite",
    "matplotlib",
    "numba",
    "numpy",
    "pandas",
    "prometheus-client",
    "pyarrow",
    "pydantic",
    "pyspark",
    "safetensors",
    "scikit-learn",
    "scipy",
)
"""Distributions that jobs import without a network: on executors, and on a driver in cluster mode."""
# Executors have a Spark of their own; an editable install points at folders that only this machine has. A standalone
# worker that was started by hand leaves its applications' files in pyspark/work.
_LEFT_OUT = (
    "*/site-packages/pyspark/jars/*",
    "*/site-packages/pyspark/examples/*",
    "*/site-packages/pyspark/work/*",
    "*/site-packages/pyspark/logs/*",
    "share/textclf/*",
    "*/site-packages/*editable*",
    "bin/uv*",  # installs packages, and nothing there does
)
_LEFT_OUT_OF_LEAN = ("*/site-packages/*/tests/*", "*/site-packages/*/include/*", "*.pyi", "*.pxd", "*.a")
_BASE = ("bin/python*", "lib64")


def environment_archive(root: Path, kind: str) -> Path:
    """Return the path of an environment's archive, which may not exist yet.

    Its name contains a digest of the lock file, the Python, the installed distributions and what is left out.

    Args:
        root: Folder of the project.
        kind: ``full`` or ``lean``.
    """
    lock, packages = root / "requirements.lock", Path(sysconfig.get_path("purelib"))
    digest = hashlib.sha256(lock.read_bytes() if lock.exists() else b"")
    installed = sorted(found.name for found in packages.glob("*.dist-info"))
    rules = (_LEFT_OUT, LEAN_ROOTS, _LEFT_OUT_OF_LEAN) if kind == LEAN else (_LEFT_OUT,)
    digest.update(f"{sys.prefix} {sys.version} {installed} {rules}".encode())
    lean = f"-{LEAN}" if kind == LEAN else ""
    return made_path(root, f"{ENVIRONMENT}{lean}-{digest.hexdigest()[:16]}.tar.gz")


def pack_environment(target: Path, kind: str) -> None:
    """Pack the running Python's environment into ``target`` unless it exists, and its digest beside it.

    Nodes need the same Python at the same path, because an environment refers to it and does not contain it.

    Args:
        target: Path of the archive.
        kind: ``full`` or ``lean``.

    Raises:
        TextclfError: The environment cannot be packed.
    """
    with made_once(target) as aside:
        if aside is None:
            return
        how_long = "some seconds" if kind == LEAN else "some minutes"
        sys.stderr.write(
            f"Packing the {kind} Python environment into {target}; this takes {how_long}, once for each "
            "requirements.lock\n"
        )
        _pack(aside, kind)
        replace_file(_digest_file(target), _sha256(aside))


def digest_of(archive: Path) -> str:
    """Return the SHA-256 of a packed archive, in hexadecimal."""
    try:
        return _digest_file(archive).read_text(encoding="ascii")
    except OSError:  # an archive of an earlier release
        return _sha256(archive)


def lean_distributions(roots: Iterable[str] = LEAN_ROOTS) -> dict[str, Distribution]:
    """Return the installed distributions that ``roots`` need, by normalized name, including the roots themselves.

    Requirements that are not installed are left out; those of extras are followed only if something asks for the extra.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    left = [(root, "") for root in roots]
    while left:
        name, extra = left.pop()
        key = canonicalize_name(name)
        if (key, extra) in seen:
            continue
        seen.add((key, extra))
        try:
            found[key] = distribution(name)
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, found[key].requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                left += [(requirement.name, wanted) for wanted in ("", *requirement.extras)]
    return found


def _pack(target: Path, kind: str) -> None:
    problem = "venv-pack is not installed"
    try:
        from venv_pack import Env, VenvPackException
    except ImportError:
        raise _unpackable(problem) from None
    wanted = lean_files() if kind == LEAN else None
    try:
        environment = Env(sys.prefix)
        environment.files = [file for file in environment.files if _is_packed(file.target, wanted)]
        environment.pack(str(target), format="tar.gz", compress_level=1, force=True)
    except (VenvPackException, OSError) as error:
        raise _unpackable(str(error)) from error


def _unpackable(problem: str) -> TextclfError:
    return TextclfError(
        "The Python environment cannot be packed for the cluster.",
        received=f"{sys.prefix}: {problem}",
        expected="a virtual environment with venv-pack installed, as `make setup` creates it",
        fix="run `make setup`, or name the executors' Python: --conf spark.pyspark.python=/path/to/python",
    )


def lean_files() -> set[str]:
    """Return the sources, libraries and data of the lean distributions, relative to the environment."""
    return {
        path.relative_to(sys.prefix).as_posix()
        for each in lean_distributions().values()
        for file in each.files or ()
        if (path := Path(str(each.locate_file(file)))).is_relative_to(sys.prefix)
    }


def _is_packed(name: str, wanted: set[str] | None) -> bool:
    left_out = _LEFT_OUT if wanted is None else _LEFT_OUT + _LEFT_OUT_OF_LEAN
    if any(fnmatch(name, pattern) for pattern in left_out):
        return False
    # Compiled files are not listed as their distribution's: set-up makes them afterwards.
    return wanted is None or any(fnmatch(name, base) for base in _BASE) or not wanted.isdisjoint(_owners(name))


def _owners(name: str) -> Iterator[str]:
    yield name
    if name.endswith(".pyc"):
        try:
            yield source_from_cache(name)
        except ValueError:
            return


def _digest_file(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
