"""Every text field of a run record is masked or reviewed; the test finds writes to ``details`` in the source code."""

import ast
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from tests.environments import environment
from textclf.corpus.ingest import Counts
from textclf.corpus.vocabulary import VocabularyCounts
from textclf.runs.masked_fields import ANY, EACH, IN_DETAILS
from textclf.runs.record import RunRecord
from textclf.search.search import Outcome, SearchReport
from textclf.search.summary import details
from textclf.storage.files.listing import Skipped

ROOT = Path(__file__).parents[2]
TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted([*ROOT.glob("textclf/**/*.py"), *ROOT.glob("jobs/*.py")])
}
"""Syntax trees of all source files by path."""
NAMES = {
    "day", "days", "asked", "range", "limit", "since", "run", "night", "copied_rows", "rejects", "dead_locks",
    "staging_removed", "lock_commits_removed", "files_before", "files", "bytes", "published", "published_run",
    "host", "pid", "fingerprint", "input_digest", "corpora", "challengers", "settings", "accepted_rows", "records",
    "accepted", "rejected", "reasons", "lines", "header_lines", "reject_lines", "folders", "rows", "training_rows",
    "test_rows", "words", "tokens", "trials_run", "trials_known", "trials", "failed", "seconds", "rule",
    "beats_baseline", "nested", "version", "digest", "accuracy", "loss", "champion", "architecture", "params",
    "standard_error", "epochs", "parameters", "macro_f1", "roc_auc", "embedding_coverage", "unseen_labels",
    "run_id", "status", "ended_at", "folds", "nightly", "half_precision_errors", "step", "state", "runs",
    "baseline", "chosen", "best", "code_version", "before", "fallen", "accept", "published_anyway", "by",
    "refused_removed", "kept_for", "publish", "whole_fingerprint", "chain", "accuracy_interval",
}  # fmt: skip
"""Keys whose values are names, keys, digests, days or numbers, at any depth."""
OTHER = {("days", "skipped"): "how many days of a range were"}
OPAQUE = {
    ("run",): "of show_run and report: a record, which has paths of its own, or its id",
    ("rows", EACH): "of explain_row: the columns of a row",
    ("steps",): "of a night: followed where they are written",
    ("registered_model",): "what Routes says of itself",
}
SPREAD = {"noted": "Night._noted: the night", "unseen_labels": "labels and their counts"}
MADE = {"count": (Counts, VocabularyCounts), "self.table.skipped": (Skipped,)}
"""Dataclasses that are passed to ``asdict``, by expression."""

Path_ = tuple[str, ...]
Scope = dict[str, list[tuple[Path_, ast.expr]]]


FUNCTIONS = {
    place: {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for place, tree in TREES.items()
}
CALLERS = {node: place for place, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.Call)}


def chain(target: ast.expr) -> tuple[ast.expr, Path_]:
    """Return the base expression of nested subscripts, and their keys."""
    keys: list[str] = []
    while isinstance(target, ast.Subscript):
        key = target.slice
        if not (isinstance(key, ast.UnaryOp) or (isinstance(key, ast.Constant) and isinstance(key.value, int))):
            keys.append(key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ANY)
        target = target.value
    return target, tuple(reversed(keys))


def stores(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield the target and the value of each assignment."""
    for each in ast.walk(node):
        if isinstance(each, ast.AnnAssign | ast.AugAssign) and each.value is not None:
            yield each.target, each.value
        elif isinstance(each, ast.Assign):
            for target in each.targets:
                if isinstance(target, ast.Tuple):
                    given = each.value.elts if isinstance(each.value, ast.Tuple) else []
                    same = len(given) == len(target.elts)
                    yield from zip(target.elts, given if same else [each.value] * len(target.elts), strict=True)
                else:
                    yield target, each.value


def scope_of(function: ast.AST) -> Scope:
    found: Scope = {}
    for target, value in stores(function):
        root, keys = chain(target)
        if isinstance(root, ast.Name):
            found.setdefault(root.id, []).append((keys, value))
    return found


def fields(kind: Any) -> Iterator[Path_]:
    """Yield the paths of a dataclass' fields that are not numbers."""
    for name, hint in get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from ((name, *rest) for rest in fields(hint))
        elif hint not in (int, float, bool):
            yield (name, EACH) if "tuple" in str(hint) else (name,)


def leaves(node: ast.expr, scope: Scope) -> Iterator[Path_]:
    """Yield the paths inside a value of all expressions other than dictionary and list literals."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                for path in leaves(value, scope):
                    yield path or (f"**{ast.unparse(value)}",)
            else:
                name = key.value if isinstance(key, ast.Constant) else ANY
                yield from ((str(name), *path) for path in leaves(value, scope))
    elif isinstance(node, ast.DictComp):
        yield from of_comprehension(node, scope)
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        yield from ((EACH, *path) for each in node.elts for path in leaves(each, scope))
    elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
        yield from ((EACH, *path) for path in leaves(node.elt, scope))
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from (path for each in (node.left, node.right) for path in leaves(each, scope))
    elif isinstance(node, ast.BoolOp):
        yield from (path for each in node.values for path in leaves(each, scope))
    elif isinstance(node, ast.IfExp):
        yield from (path for each in (node.body, node.orelse) for path in leaves(each, scope))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield from of_call(node, node.func.id, scope)
    elif isinstance(node, ast.Name) and node.id in scope:
        inner = {name: found for name, found in scope.items() if name != node.id}
        yield from (keys + path for keys, value in scope[node.id] for path in leaves(value, inner))
    else:
        yield ()


def of_comprehension(node: ast.DictComp, scope: Scope) -> Iterator[Path_]:
    given = node.generators[0].iter
    if isinstance(given, ast.Name) and given.id in scope:
        given = scope[given.id][0][1]
    if isinstance(given, ast.Tuple):
        yield from ((str(each.value),) for each in given.elts if isinstance(each, ast.Constant))
    elif (
        isinstance(given, ast.Call)
        and isinstance(given.func, ast.Attribute)
        and given.func.attr == "items"
        and isinstance(node.value, ast.Name)
    ):
        yield from leaves(given.func.value, scope)
    else:
        yield from ((ANY, *path) for path in leaves(node.value, scope))


def of_call(node: ast.Call, name: str, scope: Scope) -> Iterator[Path_]:
    if name == "asdict":
        given = ast.unparse(node.args[0])
        yield from (
            (path for kind in MADE[given] for path in fields(kind)) if given in MADE else ((f"asdict({given})",),)
        )
    elif name in ("dict", "sorted", "list", "tuple"):
        yield from leaves(node.args[0], scope)
    elif name in ("sum", "len", "round", "bool", "int", "float"):
        return
    elif called := called_by(node, name):
        for function in called:
            for each in ast.walk(function):
                if isinstance(each, ast.Return) and each.value is not None:
                    yield from leaves(each.value, scope_of(function))
    else:
        yield ()


def called_by(node: ast.Call, name: str) -> list[ast.FunctionDef]:
    """Return the function of that name in the same module, or else all functions of that name."""
    here = FUNCTIONS.get(CALLERS.get(node, ""), {}).get(name)
    return [here] if here else [named[name] for named in FUNCTIONS.values() if name in named]


def of_details(root: ast.expr, place: str) -> Path_ | None:
    """Return the path in a record's details: its root, or the steps of a night; None outside them."""
    if isinstance(root, ast.Attribute) and root.attr == "details":
        return ()
    night = place.startswith(("textclf/chain/", "textclf/nightly/"))
    steps = (isinstance(root, ast.Attribute) and root.attr == "steps") or (
        isinstance(root, ast.Name) and root.id == "step"
    )
    return ("steps", EACH) if night and steps else None


def filled(tree: ast.AST, place: str) -> Iterator[tuple[int, Path_]]:
    """Yield the line and the path of each write to a record's details."""
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        scope = scope_of(function)
        for target, value in stores(function):
            root, keys = chain(target)
            start = of_details(root, place)
            if start is not None and not (start and not keys):
                yield from ((target.lineno, (*start, *keys, *path)) for path in leaves(value, scope))
        for call in ast.walk(function):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr in ("append", "extend", "update", "setdefault"):
                root, keys = chain(call.func.value)
                if isinstance(root, ast.Call) and isinstance(root.func, ast.Attribute):  # .setdefault(key, []).append
                    key, (root, keys) = root.args[0], chain(root.func.value)
                    keys = (*keys, str(key.value) if isinstance(key, ast.Constant) else ANY)
                start = of_details(root, place)
                if start is None or not call.args:
                    continue
                if call.func.attr == "setdefault":
                    first = call.args[0]
                    yield call.lineno, (*start, *keys, str(first.value) if isinstance(first, ast.Constant) else ANY)
                    continue
                for path in leaves(call.args[0], scope):
                    each = () if start or call.func.attr == "update" else (EACH,)
                    yield call.lineno, (*start, *keys, *each, *path)


def looked_at(path: Sequence[str]) -> bool:
    """Return whether a field is masked, or known to have no path and no free text."""
    path = tuple(path)
    within = [masked[len(path) :] for masked in IN_DETAILS if path and masked[: len(path)] == path]
    if any(set(rest) <= {ANY, EACH} or path in OPAQUE for rest in within):
        return True
    last = next((key for key in reversed(path) if key not in (ANY, EACH)), "")
    spread = last.startswith("**") and any(name in last for name in SPREAD)
    return not path or last in NAMES or path in OTHER or spread


def unknown(tree: ast.AST, place: str) -> list[str]:
    return [f"{place}:{line} {'.'.join(path)}" for line, path in filled(tree, place) if not looked_at(path)]


def test_each_text_in_the_details_of_a_record_is_masked_or_known_to_be_none() -> None:
    every = [path for place, tree in TREES.items() for _, path in filled(tree, place)]
    assert ("sources", ANY, "warnings") in every
    assert ("steps", EACH, "why") in every
    assert ("unreadable_rows", "first_error") in every
    found = [each for place, tree in TREES.items() for each in unknown(tree, place)]
    assert found == [], "mask it (masked_fields.DETAILS), or say in NAMES that it is a name, a key or a figure"


@pytest.mark.parametrize(
    "line",
    [
        "run.details['hint'] = text", "run.details |= {'hint': text}", "run.details = {'sources': {n: {'hint': t}}}",
        "run.details['sources'][name]['hint'] = str(error)", "self.run.details.setdefault('hints', []).append(text)",
        "found = {}\n found['hint'] = text\n run.details = {'sources': {name: found for name in names}}",
        "run.details[source.name] = {'problem': text}", "run.details = {'sources': {n: asdict(other) for n in names}}",
    ],
)  # fmt: skip
def test_each_way_into_the_details_is_seen(line: str) -> None:
    assert unknown(ast.parse(f"def f():\n {line}\n"), "jobs/x.py")


def test_warnings_of_a_search_are_masked() -> None:
    outcome = Outcome("yelp")
    with environment({"P": "hunter2-secret"}):
        outcome.warnings.append("yelp: the champion in s3a://k:hunter2-secret@b/models cannot be read")
        record = RunRecord("search_models", details=details(SearchReport("s", {"yelp": outcome}, 1, 0, 0.5, [])))
        assert "hunter2" not in record.row()["details"] + record.to_json()
