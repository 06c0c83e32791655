"""Find what is missing in the docstrings of textclf's public names; make lint runs this beside ruff's rules.

Ruff's D417 only checks functions that document some of their arguments. Here a public function also needs the sections
themselves and an example, and a public class must document each field, or each argument of ``__init__``.
"""

import ast
import re
import sys
from collections.abc import Iterator

import textclf
from tests.commands import ROOT

RAISES_NOTHING = {"render_report"}
_SECTION = re.compile(r"^ *(Args|Attributes|Returns|Raises|Example):$", re.MULTILINE)
_ENTRY = re.compile(r"^ +(\w+): ", re.MULTILINE)


def mistakes(source: str, name: str) -> Iterator[str]:
    """Yield a line for each part that is missing in the docstring of a module's public name."""
    node = next(
        each
        for each in ast.parse(source).body
        if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == name
    )
    doc = ast.get_docstring(node) or ""
    if "Example:\n    >>> " not in doc and name != "SearchReport":  # search_models shows it in its example
        yield f"{name}: no example"
    if isinstance(node, ast.FunctionDef):
        yield from _of_function(node, name)
        if "Raises" not in _sections(doc) and name not in RAISES_NOTHING:
            yield f"{name}: no Raises"
        return
    documented = set(_ENTRY.findall(doc))
    yield from (f"{name}: {field} is not documented" for field in _fields(node) if field not in documented)
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_") and not _is_property(each):
            yield from _of_function(each, f"{name}.{each.name}")


def _of_function(node: ast.FunctionDef, name: str) -> Iterator[str]:
    doc = ast.get_docstring(node) or ""
    documented = set(_ENTRY.findall(doc)) if "Args" in _sections(doc) else set()
    yield from (f"{name}: {argument} is not documented" for argument in _arguments(node) if argument not in documented)
    if node.returns is not None and ast.unparse(node.returns) != "None" and "Returns" not in _sections(doc):
        yield f"{name}: no Returns"


def _sections(doc: str) -> set[str]:
    return set(_SECTION.findall(doc))


def _arguments(node: ast.FunctionDef) -> list[str]:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [each.arg for each in given if each.arg not in ("self", "cls")]


def _fields(node: ast.ClassDef) -> list[str]:
    """Return the fields of a dataclass, or the arguments of ``__init__``."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _arguments(each)
    fields = [
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
    return [field for field in fields if not field.startswith("_")]


def _is_property(node: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)


def all_mistakes() -> list[str]:
    """Return what is missing in the docstrings of all public names."""
    found = []
    for name, home in textclf._HOMES.items():
        path = ROOT / "textclf" / f"{home.replace('.', '/')}.py"
        found += [
            f"{path.relative_to(ROOT)}: {mistake}"
            for mistake in mistakes(path.read_text(encoding="utf-8"), textclf._AT_HOME.get(name, name))
        ]
    return found


if __name__ == "__main__":
    if lines := all_mistakes():
        sys.exit("\n".join(lines))
