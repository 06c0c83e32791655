"""No text that a program has put together reaches a parser of SQL: read off the sources themselves."""

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
"""Of these the arguments may be Columns or types as well: only text that is put together there is told."""
OPTIONS = {"replaceWhere", "partitionOverwriteMode"}

ALLOWED = {
    ("textclf/tables/warehouse.py", "option"): "replaceWhere takes text alone: that of a Condition holds no value",
    ("textclf/tables/warehouse.py", "table"): "the name of a Location, which refuses ${",
    ("textclf/tables/warehouse.py", "forName"): "as above",
    ("textclf/tables/warehouse.py", "tableName"): "as above",
    ("textclf/tables/warehouse.py", "saveAsTable"): "as above",
    ("textclf/tables/warehouse.py", "tableExists"): "as above",
    ("textclf/scoring/inputs.py", "tableExists"): "the name of a table on the command line, without ${",
    ("textclf/scoring/inputs.py", "forName"): "as above",
    ("textclf/scoring/since.py", "table"): "the name of a Location, which refuses ${",
    ("textclf/tables/warehouse.py", "getDatabase"): "the pipeline file's schema, which admits letters, digits and _",
}


def _text_put_together(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(value, ast.FormattedValue) for value in node.values)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Mod) and any(
            isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
            for each in (node.left, node.right)
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("format", "join", "replace", "format_map")
    return False


def _constant(node: ast.expr) -> bool:
    """Whether it is written out there, or as a constant of the module, which the sources name in capitals."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def _told(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each call that may hand text of a program's making to a parser."""
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
            continue  # tables of pyarrow
        if name == "option" and isinstance(call.args[0], ast.Constant) and call.args[0].value in OPTIONS and odd:
            yield call.lineno, name
        elif name in PARSE_SQL | PARSE_NAMES and isinstance(call.func, ast.Attribute):
            first = call.args[1:2] if name == "get_json_object" else call.args[:1]
            if not all(map(_constant, first)):
                yield call.lineno, name
        elif name in PARSE_TEXT and any(map(_text_put_together, given)):
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
    ],
)  # fmt: skip
def test_each_way_to_a_parser_is_seen(line: str) -> None:
    assert list(_told(ast.parse(line)))
