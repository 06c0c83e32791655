"""No string built at run time reaches a SQL parser; checked by static analysis of the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("textclf/**/*.py"), *ROOT.glob("jobs/*.py")])
PARSE_SQL = {"expr", "selectExpr", "sql", "parseExpression", "parseTableIdentifier", "parsePlan", "parseDataType"}
PARSE_SQL |= {"schema_of_json", "from_csv", "schema_of_csv"}
PARSE_NAMES = {"table", "forName", "tableName", "saveAsTable", "insertInto", "writeTo", "tableExists", "getDatabase"}
PARSE_NAMES |= {"setCurrentDatabase", "createOrReplaceTempView", "createTempView", "get_json_object", "addColumn"}
PARSE_TEXT = {"where", "filter", "delete", "createDataFrame", "schema", "mapInArrow", "mapInPandas", "cast", "try_cast"}
"""Methods that also take Columns or types: a call is only reported if the string is built in the argument or in a name
of the same function."""
OPTIONS = {"replaceWhere", "partitionOverwriteMode"}

ALLOWED = {
    ("textclf/storage/warehouse.py", "option"): "replaceWhere takes text alone: that of a Condition holds no value",
    ("textclf/storage/warehouse.py", "table"): "the name of a Location, which refuses ${",
    ("textclf/storage/warehouse.py", "forName"): "as above",
    ("textclf/storage/warehouse.py", "tableName"): "as above",
    ("textclf/storage/warehouse.py", "saveAsTable"): "as above",
    ("textclf/storage/warehouse.py", "tableExists"): "as above",
    ("textclf/scoring/input/table.py", "tableExists"): "the name of a table on the command line, without ${",
    ("textclf/scoring/input/table.py", "forName"): "as above",
    ("textclf/scoring/input/change_feed.py", "table"): "the name of a Location, which refuses ${",
    ("textclf/storage/warehouse.py", "getDatabase"): "the pipeline file's schema, which admits letters, digits and _",
}


def _assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    """Return the expressions assigned to each name of a function, or of the module outside functions."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                known = found.setdefault(target.id, [])
                # An augmented assignment to a string builds a string.
                grown = [ast.BinOp(each, node.op, value) for each in known] if isinstance(node, ast.AugAssign) else []
                known += grown or [value]
    return found


def _text_put_together(node: ast.expr, names: dict[str, list[ast.expr]]) -> bool:
    """Whether an expression builds a string; names are resolved to all values assigned in the function."""
    if isinstance(node, ast.Name):
        others = {name: given for name, given in names.items() if name != node.id}
        return any(_text_put_together(each, others) for each in names.get(node.id, ()))
    if isinstance(node, ast.IfExp):
        return _text_put_together(node.body, names) or _text_put_together(node.orelse, names)
    if isinstance(node, ast.BoolOp):
        return any(_text_put_together(each, names) for each in node.values)
    if isinstance(node, ast.NamedExpr):
        return _text_put_together(node.value, names)
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(value, ast.FormattedValue) for value in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod) and any(
            _is_text(each, names) or _text_put_together(each, names) for each in (node.left, node.right)
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("format", "join", "replace", "format_map")
    return False


def _is_text(node: ast.expr, names: dict[str, list[ast.expr]]) -> bool:
    if isinstance(node, ast.Name):
        others = {name: given for name, given in names.items() if name != node.id}
        return any(_is_text(each, others) for each in names.get(node.id, ()))
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _scopes(tree: ast.AST) -> dict[ast.AST, dict[str, list[ast.expr]]]:
    """Return for each node the names assigned in its function and in the enclosing functions."""
    found: dict[ast.AST, dict[str, list[ast.expr]]] = {node: {} for node in ast.walk(tree)}
    for function in [tree, *ast.walk(tree)]:  # outermost first
        if isinstance(function, ast.FunctionDef | ast.Lambda | ast.Module):
            names = {**found[function], **_assigned(function)}
            found |= dict.fromkeys(ast.walk(function), names)
    return found


def _constant(node: ast.expr) -> bool:
    """Whether an expression is a literal or a module constant, whose name is in capitals."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def _told(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each call that may pass a built string to a parser."""
    scopes = _scopes(tree)
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        odd = [each for each in given if not _constant(each)]
        if (
            isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and call.func.value.id == "pa"
        ):
            continue  # a pyarrow table
        if name == "option" and isinstance(call.args[0], ast.Constant) and call.args[0].value in OPTIONS and odd:
            yield call.lineno, name
        elif name in PARSE_SQL | PARSE_NAMES and isinstance(call.func, ast.Attribute):
            first = call.args[1:2] if name == "get_json_object" else call.args[:1]
            if not all(map(_constant, first)):
                yield call.lineno, name
        elif name in PARSE_TEXT and any(_text_put_together(each, scopes[call]) for each in given):
            yield call.lineno, name


def test_text_that_is_parsed_as_sql_is_written_out_in_the_sources() -> None:
    found, used = [], set()
    for path in SOURCES:
        place = path.relative_to(ROOT).as_posix()
        for line, name in _told(ast.parse(path.read_text(encoding="utf-8"))):
            used.add((place, name))
            if (place, name) not in ALLOWED:
                found.append(f"{place}:{line} {name}")
    assert found == []
    assert set(ALLOWED) <= used, "an exception that nothing needs any more"


@pytest.mark.parametrize(
    "line",
    [
        "df.where(f\"source = '{source}'\")", "df.filter('source = ' + source)", "F.expr(text)", "spark.sql(query)",
        "df.selectExpr('a as {}'.format(name))", "table.delete('id in (%s)' % ids)", "parser.parseExpression(text)",
        "writer.option('replaceWhere', condition)", "spark.createDataFrame(rows, ', '.join(names))",
        "spark.read.schema(f'{name} string').json(path)", "F.get_json_object('details', path)", "spark.table(name)",
        "text = f\"source = '{source}'\"; df.where(text)", "text = 'a = '; text += name; df.where(text)",
        "def f(name):\n text = 'a = ' + name\n return [df.filter(text) for df in tables]",
        "def f(name):\n text = f'a = {name}'\n def g():\n  return table.delete(text)\n return g",
        "df.where(f'a = {name}' if name else 'true')", "given = f'{name} string'; schema = given; read.schema(schema)",
        "head = 'a = '; df.where(head + name)", "df.where(text := ' AND '.join(parts))",
    ],
)  # fmt: skip
def test_each_way_to_a_parser_is_seen(line: str) -> None:
    assert list(_told(ast.parse(line)))
