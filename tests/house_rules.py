"""Project rules in addition to those of ruff and mypy: ``python -m tests.house_rules [FOLDER]``, part of ``make lint``.

- The import-linter contracts in pyproject.toml hold; they are checked in the current checkout.
- A module of the package, a job or a benchmark has at most 400 lines, a function at most 40 without its signature and
  docstring, unless a comment ``# long: WHY`` is above it.
- A dotted name below ``textclf`` or ``tests`` in code, configuration and documents exists and is not a
  deprecated path that is kept for one release.
- Private JVM classes of Delta and Spark are only used in one room.
- A room has at most 17 modules, the top level of the package five.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FUNCTION, MODULE, ROOM, TOP = 40, 400, 17, 5
JVM_ROOM = "textclf/storage"
OLD_PATH = "this path goes with the next release"
_CODE = ("textclf", "jobs", "benchmarks", "tests")
_TEXTS = (
    *("*.md", "docs/**/*.md", "conf/**/*", "notebooks/*.ipynb", "Makefile", "spark-submit.sh", "pyproject.toml"),
    *("setup.py", "mkdocs.yml", "textclf/**/*.py", "jobs/*.py", "benchmarks/**/*.py", "tests/**/*.py"),
)
_HISTORY = {"CHANGELOG.md"}  # lists former names
_OLD = "an old path; expected the new one, which its module names"
_NAME = re.compile(r"(?<![\w./\-])((?:textclf|tests)(?:\.[a-z_]\w*)+)")
_PRIVATE = re.compile(r"\.org\.apache\.spark\.sql\.(?:delta|catalyst|execution)$|\._jd[ft]$")


def broken_rules(root: Path) -> Iterator[str]:
    """Yield each violation in a checkout, as ``FILE:LINE: message``."""
    modules = sorted(path for folder in _CODE for path in (root / folder).rglob("*.py"))
    kept = {path for path in modules if OLD_PATH in path.read_text(encoding="utf-8")[:300]}
    for path in modules:
        place = path.relative_to(root)
        if path not in kept and place.parts[0] != "tests":
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            yield from _sizes(place, text.splitlines(), tree)
            if not place.as_posix().startswith(f"{JVM_ROOM}/"):
                yield from _private(place, tree)
    yield from _rooms(root, kept)
    yield from _names(root, kept)


def _sizes(place: Path, lines: list[str], tree: ast.Module) -> Iterator[str]:
    if len(lines) > MODULE and not any("# long: " in line for line in lines):
        yield f"{place}:1: {len(lines)} lines; expected at most {MODULE}, or a comment '# long: WHY'"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            size = (node.end_lineno or 0) - node.body[documented].lineno + 1
            above = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 2
            if size > FUNCTION and not lines[above].strip().startswith("# long: "):
                words = f"expected at most {FUNCTION}, or a comment '# long: WHY' above"
                yield f"{place}:{node.lineno}: {node.name} has {size} lines; {words}"


def _private(place: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _PRIVATE.search(ast.unparse(node)):
            yield f"{place}:{node.lineno}: {ast.unparse(node)}: a private JVM class; expected below {JVM_ROOM} alone"


def _rooms(root: Path, kept: set[Path]) -> Iterator[str]:
    package = root / "textclf"
    for folder in sorted({package, *(path.parent for path in package.rglob("*.py"))}):
        held = [path for path in folder.glob("*.py") if path not in kept and path.name != "__init__.py"]
        limit = TOP if folder == package else ROOM
        if len(held) > limit:
            yield f"{folder.relative_to(root)}:1: {len(held)} modules; expected at most {limit} in one room"


def _names(root: Path, kept: set[Path]) -> Iterator[str]:
    seen: dict[str, str | None] = {}
    for path in sorted({path for pattern in _TEXTS for path in root.glob(pattern) if path.is_file()}):
        place = path.relative_to(root)
        if path in kept or place.name in _HISTORY:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            for name in _NAME.findall(line):
                if name not in seen:
                    seen[name] = _wrong(root, name, kept)
                if seen[name]:
                    yield f"{place}:{number}: {name}: {seen[name]}"


def _wrong(root: Path, name: str, kept: set[Path]) -> str | None:
    """Return why a dotted name is not allowed; None if it is."""
    at, parts = root, name.split(".")
    for depth, part in enumerate(parts):
        module = at / f"{part}.py"
        if (at / part).is_dir() and ((at / part / "__init__.py").exists() or depth == 0):
            at = at / part
            if at / "__init__.py" in kept:
                return _OLD
        elif module.exists():
            return _OLD if module in kept else None
        elif not part.startswith("__"):  # a name from the package's own __init__
            text = (at / "__init__.py").read_text(encoding="utf-8") if (at / "__init__.py").exists() else ""
            known = re.search(rf"\b{re.escape(part)}\b", text) or (at / part).exists()
            return None if known else "no module or name; expected one that exists"
    return None


def main(argv: list[str]) -> int:
    """Print the violations; return exit code 1 if there are any."""
    from importlinter.cli import lint_imports

    found = list(broken_rules(Path(argv[0]) if argv else Path(__file__).parents[1]))
    sys.stdout.writelines(f"{each}\n" for each in found)
    return bool(lint_imports(no_cache=True, no_logo=True) or found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
