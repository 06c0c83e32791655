"""``textclf query``: query the warehouse's tables in SQL with DuckDB, without Spark."""

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from textclf.cli.delta import delta_rows, load_datasets, open_delta, storage_options
from textclf.cli.model_args import add_settings
from textclf.cli.output import write_json, write_lines, write_table
from textclf.common.table_names import TABLES
from textclf.common.terminal import visible
from textclf.errors import InputError, UsageError

if TYPE_CHECKING:
    from textclf.config import Pipeline

_SHOWN = 100  # rows in a table for people
_AT_ONCE = 10_000


def add(commands: Any) -> None:
    """Add the command."""
    about = "Query the warehouse's tables in SQL with DuckDB, without Spark."
    made = commands.add_parser("query", help="query the tables in SQL, without Spark", description=about)
    made.add_argument("sql", nargs="?", metavar="SQL", help="default: list the tables and their columns")
    made.add_argument("--config", required=True, metavar="FILE", help="the pipeline file, which names the warehouse")
    add_settings(made)
    made.add_argument(
        "--format", choices=("table", "csv", "json"), default="table",
        help=f"table: the first {_SHOWN} rows for people (the default); csv or json: all rows",
    )  # fmt: skip
    made.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Answer the query on standard output."""
    from textclf.config import load_pipeline

    if args.own_process and args.sql is not None:
        load_datasets()
    root = _root(load_pipeline(args.config))
    tables = [name for name in TABLES if _is_table(f"{root}/{name}")]
    if not tables:
        raise InputError(
            "The warehouse has no tables.",
            received=root,
            expected=f"Delta tables such as {', '.join(TABLES[:3])}",
            fix="run the job ingest_corpus first, or check warehouse in the pipeline file",
        )
    if args.sql is None:
        _list(root, tables)
    else:
        # Closed before Python shuts down: after a scan that ends early (LIMIT), threads would still be running.
        with closing(_connect(root, tables, args.sql)) as connection:
            _answer(connection, args.sql, args.format)
    return 0


def _root(pipeline: "Pipeline") -> str:
    from textclf.common.file_systems import on_default_storage

    if pipeline.warehouse is None:
        raise UsageError(
            "The tables are in a catalog, which only Spark can open.",
            received=f"schema = {pipeline.schema_name}",
            expected="a pipeline file with warehouse = FOLDER OR URL",
            fix="query them with Spark SQL",
        )
    return on_default_storage(pipeline.warehouse)


def _packages() -> tuple[Any, Any]:
    try:
        import deltalake
        import duckdb
    except ImportError as error:
        raise UsageError(
            "Queries need a package that is missing.", received=str(error), expected="duckdb and deltalake",
            fix="pip install 'textclf[query]'",
        ) from error  # fmt: skip
    return deltalake, duckdb


def _is_table(place: str) -> bool:
    return bool(_packages()[0].DeltaTable.is_deltatable(place, storage_options=storage_options(place)))


def _list(root: str, tables: list[str]) -> None:
    rows = []
    for name in tables:
        table = open_delta(f"{root}/{name}")
        rows.append((name, str(table.version()), ", ".join(field.name for field in table.schema().fields)))
    for name, version, columns in rows:
        write_lines(f"{name} (version {version}): {visible(columns)}")


def _connect(root: str, tables: list[str], sql: str) -> Any:
    """Open a connection with a view of each table that the query may name; rows are read when they are fetched."""
    _, duckdb = _packages()
    connection = duckdb.connect()
    words = set(re.findall(r"\w+", sql.lower()))
    for name in tables:
        if name in words:
            connection.register(name, delta_rows(f"{root}/{name}"))
    return connection


def _answer(connection: Any, sql: str, form: str) -> None:
    _, duckdb = _packages()
    try:
        found = connection.execute(sql)
        header = [column[0] for column in found.description or []]
        if form == "table":
            _write_first(found, header)
        else:
            _write_all(found, header, form)
    except duckdb.Error as error:
        raise UsageError(
            "The query failed.", received=str(error), expected="DuckDB's SQL over the warehouse's tables",
            fix="textclf query --config FILE lists the tables and their columns",
        ) from error  # fmt: skip


def _write_first(found: Any, header: list[str]) -> None:
    rows = found.fetchmany(_SHOWN + 1)
    write_table(header, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        sys.stderr.write(f"Only the first {_SHOWN} rows are shown; use --format csv or json for all rows.\n")


def _write_all(found: Any, header: list[str], form: str) -> None:
    shown = _shown if sys.stdout.isatty() else list
    if form == "csv" and not sys.stdout.isatty() and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict")  # files and pipes get exact values
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if form == "csv":
        writer.writerow(shown(header))
    while rows := found.fetchmany(_AT_ONCE):
        if form == "csv":
            writer.writerows(map(shown, rows))
        else:
            for row in rows:
                write_json(dict(zip(header, row, strict=True)))


def _shown(row: Iterable[object]) -> list[object]:
    return [visible(value, lines=True) if isinstance(value, str) else value for value in row]
