"""The rows of sources in the table ``corpus``, as of one version of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from textclf.runs.workspace import Workspace
from textclf.storage.conditions import of_sources
from textclf.storage.queries.small_tables import small_table
from textclf.storage.schemas import CORPUS


@dataclass(frozen=True)
class CorpusRows:
    """Rows of some sources in one version of ``corpus``; a later ingest does not change them.

    Attributes:
        workspace: Session and tables.
        names: Names of the sources.
        snapshot: Delta's snapshot of the table.
    """

    workspace: Workspace
    names: tuple[str, ...]
    snapshot: Any

    @classmethod
    def of(cls, workspace: Workspace, names: Sequence[str]) -> "CorpusRows":
        """Find the current version of ``corpus``.

        Args:
            workspace: Session and tables.
            names: Names of the sources.

        Raises:
            InputError: There is no corpus.
        """
        fix = "run the job ingest_corpus first"
        return cls(workspace, tuple(names), workspace.warehouse.snapshot(workspace.spark, CORPUS, fix=fix))

    @property
    def table(self) -> DataFrame:
        """The rows, which Spark reads."""
        rows = self.workspace.warehouse.location(CORPUS.name).pinned(self.workspace.spark, self.snapshot)
        return rows.select(*CORPUS.columns).where(F.col("source").isin(list(self.names)))

    def here(self, *columns: str) -> pa.Table | None:
        """Read some columns in the driver, without a Spark job, if the rows are few.

        Args:
            *columns: Names of the columns.

        Returns:
            The rows; None if Spark has to read them.
        """
        spark, place = self.workspace.spark, self.workspace.warehouse.location(CORPUS.name)
        wanted = StructType([CORPUS.schema[name] for name in columns])
        return small_table(spark, place, self.snapshot, wanted, of_sources(self.names))


def corpus_of(workspace: Workspace, names: Sequence[str]) -> DataFrame:
    """Read the sources' rows from the current version of ``corpus``; a later ingest does not change them.

    Args:
        workspace: Session and tables.
        names: Names of the sources.

    Raises:
        InputError: There is no corpus.
    """
    return CorpusRows.of(workspace, names).table
