"""Strings that are special to a parser, a shell, a file system or a terminal, in every place that takes a string.

A hostile string gives the same rows as a plain name in that place, or the documented reject.
"""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.config import Pipeline, parse_pipeline
from textclf.errors import GateError
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.override import publish_anyway
from textclf.scoring.score import ScoreOptions, score_table
from textclf.storage import Warehouse

STRINGS = (
    "plain", "${env:HOME}", "${nosuch}", "${spark.master}", "$", "it's", 'say "so"', "back\\", "\\'", "`tick`", "a\nb",
    "\u202eright to left\u2066", "😀", "ü" * 40, "%2F", "a/b", "a=b", "..", " ", "NULL", "1", "001", "2026-01-31",
    "__HIVE_DEFAULT_PARTITION__", "x" * 300, "😀" * 90, "nul\0nul", "", "' OR '1'='1", "--", "/*", ";", "*", "\x1b[31m",
    "{a,b}", "[x]", "~", "\r", "\t", "a\u2028b", "\x7f", ":", "-", "#", "?", "\uffff",
)  # fmt: skip
DAY = date(2026, 1, 31)
_PIECES = (
    "$", "{", "}", "${", "env:", "'", '"', "\\", "`", "\n", "\t", "%", "/", "=", "😀", "ü", "\u202e", ".", " ", "a",
    "B", "0", "--", ";", "*", "[", "]", ":", "#", "?", "\x01", "\x7f", "\x85", "\ufffe", "x" * 120,
)  # fmt: skip
_ESCAPED = {*map(chr, range(1, 32)), *"\"#%'*/:=?\\\x7f{[]^"}
_TEXTS = ("good food", "bad", None, "the food was good again")
GATE = "[gate]\nmax_rejects = 1.0\nmax_unknown = 1.0\nmin_rows = 1000000\n"


def drawn_strings(seed: int, number: int, count: int) -> list[str]:
    """Draw strings that consist of a few pieces each."""
    rng = random.Random(f"{seed}/strings/{number}")
    return ["".join(rng.choices(_PIECES, k=rng.randint(1, 6))) for _ in range(count)]


def kept_source(value: str) -> tuple[str | None, bool]:
    """Return the source under which rows with this value are published, and whether they are rejected."""
    folder = "source=" + "".join(f"%{ord(sign):02X}" if sign in _ESCAPED else sign for sign in value)
    forbidden = {*value} & {"\0", "\ufffe", "\uffff"}
    bad = bool(forbidden) or len(folder.encode()) > 255 or value == "__HIVE_DEFAULT_PARTITION__"  # the folder of nulls
    return (None if bad or not value else value), bad


class StringWorld:
    """A warehouse, a model whose labels are among the strings, and input tables with a few rows for each string."""

    def __init__(self, spark: SparkSession, folder: Path, strings: Sequence[str], columns: Sequence[str] = ()) -> None:
        """Create the warehouse and the model; ``columns`` names the input's id, text, source and date columns."""
        self.spark, self.folder = spark, folder
        self.strings = list(dict.fromkeys(["plain", *strings]))
        self.columns = list(columns) or ["id", "text", "source", "ds"]
        self.labels = [value for value in self.strings if value.strip() == value and value and "\0" not in value][:2]
        self.warehouse = folder / "warehouse"
        self._runs = 0
        store = ModelStore(str(self.warehouse / "models"))
        store.promote("m", store.save(sample("m", labels=self.labels)).manifest.version)

    def pipeline(self, gate: str = GATE) -> Pipeline:
        """Return the pipeline; the columns are set in Python, so that ``$`` in a name is not read as a variable."""
        body = '[[sources]]\nname = "m"\npath = "none"\nformat = "jsonl"\n'
        made = parse_pipeline(f'warehouse = "{self.warehouse}"\n{body}{gate}')
        names = dict(zip(("id", "text", "source", "date"), self.columns, strict=True))
        return replace_score(made, **names)

    def rows(self, strings: Sequence[str], texts: Sequence[str | None] = _TEXTS) -> list[tuple[Any, ...]]:
        """Return input rows: one per text for each string, with the string in the id as well."""
        return [(f"{at} {value}", text, value, DAY) for value in strings for at, text in enumerate(texts)]

    def score(self, rows: Sequence[tuple[Any, ...]], gate: str = GATE, **options: Any) -> RunRecord:
        """Score the rows and append the run record, as the job does."""
        self._runs += 1
        path = self.folder / f"input{self._runs}"
        path.mkdir()
        types = [pa.string(), pa.string(), pa.string(), pa.date32()]
        arrays = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)]
        pq.write_table(pa.table(arrays, names=self.columns), path / "part.parquet")
        pipeline, run = self.pipeline(gate), RunRecord("score_table")
        warehouse = Warehouse.of(pipeline)
        try:
            asked = ScoreOptions(input=str(path), model="m", **options)
            score_table(Workspace(self.spark, pipeline), run, asked)
        except GateError as error:
            run.end("refused", error=str(error))
        else:
            run.end("succeeded")
        run.append(self.spark, warehouse)
        return run

    def publish_anyway(self, refused: RunRecord) -> None:
        """Publish the run that the gate refused."""
        pipeline, run = self.pipeline(), RunRecord("score_table")
        warehouse = Warehouse.of(pipeline)
        publish_anyway(Workspace(self.spark, pipeline), run, refused=refused.run_id, reason="why not")
        run.end("succeeded")
        run.append(self.spark, warehouse)

    def differences(self, rows: Sequence[tuple[Any, ...]]) -> list[str]:
        """Return how the tables differ from the results expected of these rows, which were published last."""
        wanted: Counter[tuple[Any, ...]] = Counter()
        place = Warehouse.of(self.pipeline()).location
        found: Counter[tuple[Any, ...]] = Counter()
        scores = {}
        for row in place("results").read(self.spark).collect():
            found[row["id"], row["source"], row["ds"], None] += 1
            scores[row["id"], row["source"]] = (row["label"], round(row["score"], 6))
        for row in place("results_rejects").read(self.spark).collect():
            found[row["id"], row["source"], row["ds"], row["reason"]] += 1
        plain = {text: scores.get((f"{at} plain", "plain")) for at, text in enumerate(_TEXTS)}
        differ = []
        for id_, text, value, day in rows:
            source, bad = kept_source(value)
            reason = "bad_source" if bad else "null_text" if text is None else None
            wanted[id_, source, day, reason] += 1
            if reason is None and scores.get((id_, source)) != plain.get(text):
                differ.append(
                    f"{value!r}: {text!r} has {scores.get((id_, source))}, of a plain source {plain.get(text)}"
                )
        differ += [f"missing or altered: {key!r} x {count}" for key, count in (wanted - found).items()]
        return differ + [f"not of the input: {key!r} x {count}" for key, count in (found - wanted).items()]


def replace_score(pipeline: Pipeline, **keys: str) -> Pipeline:
    """Return the pipeline with these keys of its ``[score]`` section replaced."""
    return pipeline.model_copy(update={"score": pipeline.score.model_copy(update=keys)})


def through_all_runs(world: StringWorld) -> list[str]:
    """Do a first run, one of changed texts with ``escapedStringLiterals`` set, and one published by hand."""
    rows = world.rows(world.strings)
    differ: list[str] = []

    def step(name: str, wanted: Sequence[tuple[Any, ...]]) -> None:
        differ.extend(f"{name}: {each}" for each in world.differences(wanted))

    world.score(rows)
    step("first run", rows)
    world.spark.conf.set("spark.sql.parser.escapedStringLiterals", "true")
    try:
        world.score(rows, changed_only=True)
        step("changed_only, with escapedStringLiterals", rows)
    finally:
        world.spark.conf.unset("spark.sql.parser.escapedStringLiterals")
    strict = "[gate]\nmin_rows = 1\nmax_rejects = 0.0\nmax_unknown = 0.0\n"
    fewer = [row for row in rows if not row[0].startswith("3 ")]
    refused = world.score(fewer, strict)
    if refused.status != "refused":
        return [*differ, "the gate let rejects pass"]
    step("refused", rows)
    world.publish_anyway(refused)
    step("publish anyway", fewer)
    return differ
