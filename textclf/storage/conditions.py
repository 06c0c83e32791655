"""Conditions on columns that partition a table, as Spark and Delta take them, without any value in SQL text.

A source is data: it may hold quotes, backslashes, line feeds and ``${...}``, which Spark expands in whatever text it
parses, comments and literals included. So a condition is kept as values and becomes an expression around literals. The
one place where Delta takes nothing but text is the option ``replaceWhere``; there a value stands as the hexadecimal
digits of its UTF-8 bytes, which mean the same under every setting of Spark's parser.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import and_, or_
from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from textclf.storage.delta_log import sequence

Value = str | date | None
_IDENTIFIER = str.isidentifier


@dataclass(frozen=True)
class Condition:
    """Holds for rows that meet one of the alternatives: each column named there has one of the values, None for null.

    Attributes:
        alternatives: Names of columns, which come from schemas and never from data, with the values allowed. Without
            any alternative no row meets the condition, and with an empty one every row.
    """

    alternatives: tuple[Mapping[str, Collection[Value]], ...]

    def __post_init__(self) -> None:
        for name in {name for each in self.alternatives for name in each}:
            if not _IDENTIFIER(name):
                raise ValueError(f"{name!r} is not the name of a column of ours")

    @property
    def column(self) -> Column:
        """For a DataFrame."""

        def one(name: str, values: Collection[Value]) -> Column:
            known = [value for value in values if value is not None]
            parts = [F.col(name).isin([_column(value) for value in known])] if known else []
            return _any([*parts, *([F.col(name).isNull()] if None in values else [])], F.lit(False))

        found = [reduce(and_, [one(*pair) for pair in each.items()], F.lit(True)) for each in self.alternatives]
        return _any(found, F.lit(False))

    @property
    def text(self) -> str:
        """For an option that takes nothing but SQL: only names, keywords, days and hexadecimal digits are in it.

        Example:
            >>> print(Condition(({"source": ["it's", None]},)).text)
            (((source IN (CAST(X'69742773' AS STRING)) OR source IS NULL)))
        """

        def one(name: str, values: Collection[Value]) -> str:
            known = ", ".join(_literal(value) for value in values if value is not None)
            parts = [f"{name} IN ({known})"] if known else []
            return _joined("OR", [*parts, *([f"{name} IS NULL"] if None in values else [])], "false")

        found = [_joined("AND", [one(*pair) for pair in each.items()], "true") for each in self.alternatives]
        return _joined("OR", found, "false")

    def expression(self, spark: SparkSession) -> Any:
        """For Delta's own transactions: an expression of Catalyst."""
        jvm: Any = spark._jvm
        catalyst = jvm.org.apache.spark.sql.catalyst
        expressions, types = catalyst.expressions, jvm.org.apache.spark.sql.types.DataTypes
        true, false = expressions.Literal.TrueLiteral(), expressions.Literal.FalseLiteral()
        literals: dict[Value, Any] = {}  # days share their sources: each crosses to the JVM once

        def literal(value: Value) -> Any:
            if value not in literals:
                kind = types.DateType if isinstance(value, date) else types.StringType
                given = jvm.java.time.LocalDate.parse(value.isoformat()) if isinstance(value, date) else value
                literals[value] = expressions.Literal.create(given, kind)
            return literals[value]

        def one(name: str, values: Collection[Value]) -> Any:
            column = catalyst.analysis.UnresolvedAttribute(sequence(spark, [name]))
            known = [literal(value) for value in values if value is not None]
            parts = [expressions.In(column, sequence(spark, known))] if known else []
            parts += [expressions.IsNull(column)] if None in values else []
            return reduce(expressions.Or, parts) if parts else false

        found = [
            reduce(expressions.And, [one(*pair) for pair in each.items()]) if each else true
            for each in self.alternatives
        ]
        return reduce(expressions.Or, found) if found else false


EVERYTHING = Condition(({},))
"""Holds for every row."""
NOTHING = Condition(())
"""Holds for no row."""


def of_sources(sources: Collection[str]) -> Condition:
    """Holds for the rows of these sources alone."""
    return Condition(({"source": sources},))


def _any(parts: list[Column], nothing: Column) -> Column:
    return reduce(or_, parts) if parts else nothing


def _column(value: str | date) -> Column:
    # PySpark itself turns no day before the year 1000 into a literal.
    return F.lit(value.isoformat()).cast("date") if isinstance(value, date) else F.lit(value)


def _joined(word: str, parts: list[str], nothing: str) -> str:
    return "({})".format(f" {word} ".join(parts) or nothing)


def _literal(value: str | date) -> str:
    """A literal in whose text no character of the value occurs."""
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return f"CAST(X'{value.encode().hex().upper()}' AS STRING)"
