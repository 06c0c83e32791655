"""Conditions on partition columns for Spark and Delta, without values in SQL text.

Names of sources are data: they may hold quotes, backslashes, line feeds and ``${...}``, which Spark expands in all text
that it parses, comments and literals included. So a condition keeps its values and becomes an expression of literals.
Only the option ``replaceWhere`` of Delta requires text; there a value is written as the hexadecimal digits of its UTF-8
bytes, which mean the same under every setting of Spark's parser.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import and_, or_
from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from textclf.common.java_classes import JavaClasses
from textclf.storage.delta_log import sequence

Value = str | date | None
_IDENTIFIER = str.isidentifier


@dataclass(frozen=True)
class Condition:
    """Condition that a row meets if it meets one of the alternatives.

    Attributes:
        alternatives: For each alternative, the allowed values of each column; None stands for null. Column names come
            from schemas, never from data. Without alternatives no row meets the condition; with an empty alternative
            every row does.
    """

    alternatives: tuple[Mapping[str, Collection[Value]], ...]

    def __post_init__(self) -> None:
        for name in {name for each in self.alternatives for name in each}:
            if not _IDENTIFIER(name):
                raise ValueError(f"{name!r} is not an identifier, as the names of partition columns are")

    @property
    def column(self) -> Column:
        """The condition for a DataFrame."""

        def one(name: str, values: Collection[Value]) -> Column:
            known = [value for value in values if value is not None]
            parts = [F.col(name).isin([_column(value) for value in known])] if known else []
            return _any([*parts, *([F.col(name).isNull()] if None in values else [])], F.lit(False))

        found = [reduce(and_, [one(*pair) for pair in each.items()], F.lit(True)) for each in self.alternatives]
        return _any(found, F.lit(False))

    @property
    def text(self) -> str:
        """The condition as SQL text, which contains only names, keywords, days and hexadecimal digits.

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
        """Return the condition as a Catalyst expression, for Delta's own transactions."""
        jvm = JavaClasses(spark._jvm)
        catalyst = jvm.org.apache.spark.sql.catalyst
        expressions, types = catalyst.expressions, jvm.org.apache.spark.sql.types.DataTypes
        true, false = expressions.Literal.TrueLiteral(), expressions.Literal.FalseLiteral()
        literals: dict[Value, Any] = {}  # days share their sources, so each value crosses to the JVM only once

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
"""Condition that every row meets."""
NOTHING = Condition(())
"""Condition that no row meets."""


def of_sources(sources: Collection[str]) -> Condition:
    """Make the condition that selects the rows of these sources."""
    return Condition(({"source": sources},))


def _any(parts: list[Column], nothing: Column) -> Column:
    return reduce(or_, parts) if parts else nothing


def _column(value: str | date) -> Column:
    # PySpark cannot turn a day before the year 1000 into a literal.
    return F.lit(value.isoformat()).cast("date") if isinstance(value, date) else F.lit(value)


def _joined(word: str, parts: list[str], nothing: str) -> str:
    return "({})".format(f" {word} ".join(parts) or nothing)


def _literal(value: str | date) -> str:
    """Write a literal whose text contains none of the value's own characters."""
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return f"CAST(X'{value.encode().hex().upper()}' AS STRING)"
