"""Tables of odd rows, and the expected outcome of a scoring pass, computed without Spark.

A row is stored as plain numbers and bytes: Python's types represent neither a day of the year 200000 nor a text
that is not valid UTF-8. Spark converts them to typed columns. ``tables()`` draws tables; ``check`` scores one twice and
asserts that every row is in the results or the rejects exactly once, with the reason that ``expected`` returns.
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from tests.factories.corpora import source_toml
from tests.scoring.scoring import champions
from textclf.config import Pipeline, parse_pipeline
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.score import ScoreOptions, score_table
from textclf.storage import Warehouse

IDS: dict[str, str] = {
    "bigint": "n",
    "int": "cast(n AS int)",
    "smallint": "cast(n AS smallint)",
    "tinyint": "cast(n % 100 AS tinyint)",
    "float": "CASE WHEN n % 3 = 0 THEN float('NaN') ELSE cast(n AS float) / 7 END",
    "double": "CASE WHEN n % 3 = 0 THEN double('-Infinity') ELSE n / 7 END",
    "decimal(38,10)": "cast(n AS decimal(38,10)) + 0.0000000001",
    "decimal(5,2)": "cast(n % 100 AS decimal(5,2))",
    "boolean": "n % 2 = 0",
    "string": "concat('id ${env:HOME} ''\"\\\\ \u2028é😀 ', n)",
    "string collate UTF8_LCASE": "concat('Id ', n) COLLATE UTF8_LCASE",
    "binary": "cast(concat('\\0', n) AS binary)",
    "date": "date_from_unix_date(cast(n * 20000 - 800000 AS int))",
    "timestamp": "timestamp_micros(n * 86400000000 * 20000 - 69120000000000000)",
    "timestamp_ntz": "cast(timestamp_micros(n * 86400000000 * 20000 - 69120000000000000) AS timestamp_ntz)",
    "array<bigint>": "array(n, null)",
    "array<string collate UNICODE_CI>": "array(concat('A', n) COLLATE UNICODE_CI)",
    "map<string,bigint>": "map(concat('k', n), n)",
    "struct": "named_struct('a.b', n, 'c', named_struct('`', concat('x', n)))",
    "array<struct>": "array(named_struct('d', date_from_unix_date(cast(n * 20000 AS int))))",
    "variant": "to_variant_object(named_struct('n', n))",
    "void": "null",
}
"""SQL expression for each type of id, in terms of the row's number ``n``."""
_ALL = ", ".join(f"'{number}', {each}" for number, each in enumerate(IDS.values()) if each != "null")
IDS["everything"] = f"named_struct({_ALL})"
REFUSED_IDS: dict[str, str] = {
    "interval day to second": "make_dt_interval(0, 0, 0, n)",
    "interval year to month": "make_ym_interval(cast(n AS int), 1)",
    "array<interval>": "array(make_dt_interval(0, 0, 0, n))",
    "a blank in a field's name": "named_struct('a b', n)",
    "a blank in a field's name, deep down": "map(n, array(named_struct('x', named_struct('c,d', n))))",
    "fields that differ in case alone": "named_struct('a', n, 'A', n)",
}
"""Types that a view or a Parquet file can have, but a Delta table cannot."""
DAYS = ("date", "timestamp", "timestamp_ntz", "string")
"""Types that a column of days can have."""
_EPOCH = date(1970, 1, 1)
_FIRST, _LAST = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_MODELS = ("yelp", "trec")
_ISO = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?)?",
    re.ASCII,
)
_PIPELINE = """
[score]
id = "id"
source = "source"
date = "ds"
max_text_bytes = 1000
[gate]
max_rejects = 1.0
max_unknown = 1.0
"""


@dataclass(frozen=True)
class Row:
    """One row as plain values.

    Attributes:
        n: The row's number, which determines its id; None for a null id.
        text, source: Bytes, not necessarily valid UTF-8.
        day: Days since 1970, or the bytes of a string, depending on the table's day type.
    """

    n: int | None
    text: bytes | None
    source: bytes | None
    day: int | bytes | None


@dataclass(frozen=True)
class Table:
    """A table to score.

    Attributes:
        id_type: A key of ``IDS``.
        day_type: One of ``DAYS``.
        changed_only: Score through the JVM, as a run with ``changed_only`` does.
    """

    id_type: str
    day_type: str
    rows: tuple[Row, ...]
    changed_only: bool = False

    def frame(self, spark: SparkSession) -> DataFrame:
        """Return the rows as a Spark data frame."""
        text = self.day_type == "string"
        kind = "binary" if text else "long"
        rows = [(row.n, *map(_carried, (row.text, row.source, row.day))) for row in self.rows]
        raw = spark.createDataFrame(rows, f"n long, text binary, source binary, day {kind}")
        day = F.col("day").cast("string") if text else _day(self.day_type)
        id_ = F.when(F.col("n").isNotNull(), F.expr(IDS[self.id_type]))
        return raw.select(
            id_.alias("id"), F.col("text").cast("string"), F.col("source").cast("string"), day.alias("ds")
        )


def _carried(value: int | bytes | None) -> int | bytearray | None:
    return bytearray(value) if isinstance(value, bytes) else value


def _day(kind: str) -> Column:
    if kind == "date":
        return F.date_from_unix_date(F.col("day").cast("int"))
    return F.timestamp_micros(F.col("day") * 86_400_000_000 + 3_600_000_000).cast(kind)


def expected(row: Row, table: Table) -> tuple[str | None, str | None, str | None]:
    """Return the expected reason (None for a scored row), day and source of a row."""
    day, source = _expected_day(row.day), _expected_source(row.source)
    if row.n is None or table.id_type == "void":
        reason: str | None = "null_id"
    elif day is None:
        reason = "bad_date"
    elif source is None and row.source:
        reason = "bad_source"
    else:
        reason = _of_text(row.text, source)
    return reason, day, source


def _of_text(text: bytes | None, source: str | None) -> str | None:
    if text is None:
        return "null_text"
    if len(text) > 1000:
        return "oversized_text"
    try:
        text.decode()
    except UnicodeDecodeError:
        return "undecodable_bytes"
    return None if source in _MODELS else "no_model"


def _expected_day(given: int | bytes | None) -> str | None:
    if given is None:
        return None
    if isinstance(given, int):
        return (_EPOCH + timedelta(given)).isoformat() if _FIRST <= given <= _LAST else None
    try:
        found = _ISO.fullmatch(given.decode())
        return date(*map(int, found.groups()[:3])).isoformat() if found else None
    except ValueError:
        return None


def _expected_source(given: bytes | None) -> str | None:
    try:
        source = (given or b"").decode()
    except UnicodeDecodeError:
        return None
    # Spark escapes these characters as three in a folder's name (ExternalCatalogUtils.escapePathName).
    size = sum(3 if each in "\"#%'*/:=?\\{[]^\x7f" or each < " " else len(each.encode()) for each in source)
    unfit = (
        bool({*source} & {"\0", "\ufffe", "\uffff"})
        or size + len("source=") > 255
        or source == "__HIVE_DEFAULT_PARTITION__"
    )
    return None if unfit else source or None


_ODD_TEXTS = [
    "", "\0", "good ${env:HOME}", "it's", "a\\b", "line\nfeed", "\u202egood", "😀" * 20, "good\u2028bad", "x" * 1001,
]  # fmt: skip
_ODD_SOURCES = [
    "${env:HOME}", "${nosuch}", "it's", "a\\", "line\nfeed", "\u202eabc", "é", "a=b/c:d", "%2F", " yelp", "YELP", "..",
    "__HIVE_DEFAULT_PARTITION__", "null", "x" * 248, "x" * 249, "/" * 82, "/" * 83, "é" * 124, "😀" * 62, "😀" * 90,
    "a\0b", "\uffff", "a\ufffe", "\ufffd", "`", '"', "*", "🇩🇪", "\x7f", "\x01", "[a]", "{a}",
]  # fmt: skip
_ODD_DAYS = [
    "2026", "2026-01", "2026-01-05 junk", "2026-1-5", "202601", "12345", "200000-01-01", "-0005-01-01", "0000-01-01",
    "0001-01-01", "9999-12-31", "10000-01-01", "2026-02-29", "2024-02-29", "2026-01-05T10:00", "2026-01-05 10:00:00",
    "2026-01-05T23:59:59.123456789Z", "2026-01-05T10:00:00+05:30", "2026-01-05T25:00", "2026-01-05T", "2026-01-05 ",
    " 2026-01-05", "2026-01-05\n", "20260105", "05.01.2026", "２０２６-01-05", "", "null", "${env:HOME}", "2026-13-01",
    "+2026-01-05", "2026-01-05Z", "2026-01-05T10:00:00z", "2026-01-05T10", "2026-01-05T10:00:00+0530",
    "2026-01-05 10:00:00+00", "2026-01-05T10:00:00,5-1130", "2026-01-05T10:00+24", "2026-01-05T10:00+053",
]  # fmt: skip
_BROKEN = [b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"\xc3", b"good \xf0\x9f"]


def _texts(*odd: str) -> st.SearchStrategy[bytes | None]:
    letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    known = st.sampled_from(["good food", "bad", "the food was good again", "never seen"])
    return st.one_of(
        st.none(), known.map(str.encode), st.sampled_from(odd).map(str.encode), letters.map(str.encode),
        st.sampled_from(_BROKEN),
    )  # fmt: skip


def _sources() -> st.SearchStrategy[bytes | None]:
    letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
    models = st.sampled_from(_MODELS).map(str.encode)
    odd = st.sampled_from(_ODD_SOURCES).map(str.encode)
    return st.one_of(models, models, st.none(), odd, letters.map(str.encode), st.sampled_from(_BROKEN))


def _days(kind: str) -> st.SearchStrategy[int | bytes | None]:
    if kind == "string":
        near = st.dates(date(2026, 1, 1), date(2026, 1, 5)).map(lambda day: day.isoformat().encode())
        return st.one_of(near, near, st.none(), st.sampled_from(_ODD_DAYS).map(str.encode), _texts("x"))
    edges = st.sampled_from([_FIRST, _FIRST - 1, _LAST, _LAST + 1, -10_000_000, 70_000_000, 0])
    return st.one_of(st.integers(20_454, 20_458), st.integers(20_454, 20_458), st.none(), edges)


@st.composite
def tables(draw: st.DrawFn, rows: int = 30, id_types: tuple[str, ...] = tuple(IDS)) -> Table:
    """Draw a table of at most ``rows`` rows, with any types and values."""
    day_type = draw(st.sampled_from(DAYS))
    columns = st.tuples(st.booleans(), _texts(*_ODD_TEXTS), _sources(), _days(day_type))
    drawn = draw(st.lists(columns, min_size=1, max_size=rows))
    made = [
        Row(None if number % 11 == 10 and null else number, text, source, day)
        for number, (null, text, source, day) in enumerate(drawn)
    ]
    return Table(draw(st.sampled_from(id_types)), day_type, tuple(made), draw(st.booleans()))


def every_odd_value(id_type: str, day_type: str, *, changed_only: bool = False) -> Table:
    """Return a table with each odd text, source and day of the lists above once, combined with plain values."""
    day = b"2026-01-05" if day_type == "string" else 20_458
    days = [each.encode() for each in _ODD_DAYS] if day_type == "string" else [_FIRST - 1, _FIRST, _LAST, _LAST + 1]
    rows: list[tuple[bytes | None, bytes | None, int | bytes | None]]
    rows = [(b"good", b"yelp", day), (b"bad", b"trec", day), (None, b"yelp", day), (b"good", b"yelp", None)]
    rows += [(each.encode(), b"yelp", day) for each in _ODD_TEXTS] + [(each, b"yelp", day) for each in _BROKEN]
    rows += [(b"good", each.encode(), day) for each in _ODD_SOURCES] + [(b"good", each, day) for each in _BROKEN]
    rows += [(b"good", b"yelp", each) for each in days]
    made = [Row(number, *each) for number, each in enumerate(rows)] + [Row(None, b"good", b"yelp", day)]
    return Table(id_type, day_type, tuple(made), changed_only)


def pipeline_in(folder: Path) -> Pipeline:
    """Return a pipeline of a new warehouse with champions for yelp (two labels) and trec (six)."""
    pipeline = parse_pipeline(f'warehouse = "{folder / "warehouse"}"\n' + source_toml("yelp") + _PIPELINE)
    champions(pipeline.models_folder)
    return pipeline


def check(spark: SparkSession, folder: Path, table: Table, *, runs: int = 2) -> Counter[str]:
    """Score a table into a new warehouse several times, and compare the tables with the expected rows.

    Args:
        folder: An empty folder.

    Returns:
        Number of rows by reason; the empty string counts scored rows.

    Raises:
        AssertionError: A row is lost, duplicated, altered or has another reason; or two runs differ.
    """
    pipeline, path = pipeline_in(folder), str(folder / "input")
    frame = table.frame(spark)
    frame.write.format("parquet").save(path)
    ids = _printed(frame)
    wanted = Counter((id_, *expected(row, table)) for id_, row in zip(ids, table.rows, strict=True))
    for _ in range(runs):
        run = RunRecord("score_table")
        options = ScoreOptions(input=path, changed_only=table.changed_only)
        score_table(Workspace(spark, pipeline), run, options)
        found = _published(spark, pipeline, run.run_id)
        assert found == wanted, f"missing {wanted - found}, too many {found - wanted}"
        reasons = Counter(reason or "" for _, reason, _, _ in found.elements())
        assert (run.input_rows, run.scored_rows) == (len(table.rows), reasons[""])
        assert run.details.get("rejects", {}) == {each: rows for each, rows in reasons.items() if each}
    return reasons


def _printed(frame: DataFrame) -> list[str]:
    """Return each row's id as JSON, in the order of the rows."""
    return [row["id"] for row in frame.select(F.to_json(F.struct("id")).alias("id")).collect()]


def _published(spark: SparkSession, pipeline: Pipeline, run_id: str) -> Counter[tuple[Any, ...]]:
    warehouse, found = Warehouse.of(pipeline), Counter[tuple[Any, ...]]()
    for name in ("results", "results_rejects"):
        place = warehouse.location(name)
        if place.exists(spark):
            rows = place.read(spark)
            reason = F.col("reason") if name == "results_rejects" else F.lit(None)
            told = rows.select(
                F.to_json(F.struct("id")), reason, F.col("ds").cast("string"), "source", "run_id"
            ).collect()
            assert {row["run_id"] for row in told} <= {run_id}, "rows of an earlier run are left"
            found.update(tuple(row)[:4] for row in told)
    return found
