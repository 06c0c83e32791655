"""Locations of tables, and how they are read and written."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from delta import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from textclf.common.file_systems import is_url, on_default_storage
from textclf.common.output_files import OutputFile
from textclf.common.run_ids import new_run_id
from textclf.config import Pipeline
from textclf.errors import InputError, UsageError
from textclf.spark.failures import READ_FAILURES
from textclf.storage.commit_retry import refused_by, retried
from textclf.storage.conditions import Condition, of_sources
from textclf.storage.delta_log import has_commits, known_files, log_of, none, rows_of
from textclf.storage.schemas import TableSpec
from textclf.storage.table_creation import create


def absolute(location: str) -> str:
    """Make a path absolute, relative to the current directory; URLs stay as they are."""
    return location if is_url(location) else os.path.abspath(location)


@dataclass(frozen=True)
class Location:
    """Location of one Delta table: either a path or URL, or a name in the catalog."""

    path: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        # Delta's OPTIMIZE puts a path between backticks as it is, so a backtick in the path would end the name.
        if "`" in (self.path or ""):
            raise UsageError("A table's path contains a backtick.", received=self.path, expected="a path without one")
        # Spark parses a table's name, and a session that a caller hands in may expand variables in all that it parses.
        if "${" in (self.name or ""):
            raise UsageError(
                "A table's name in the catalog contains a variable.",
                received=self.name,
                expected="a name without ${",
                fix="write the name itself; in the pipeline file ${NAME} stands for an environment variable",
            )

    def __str__(self) -> str:
        return self.path or self.name or ""

    def exists(self, spark: SparkSession) -> bool:
        """Whether the Delta table exists."""
        if self.path is not None:
            return has_commits(spark, self.path)
        return spark.catalog.tableExists(self.name or "")

    def delta(self, spark: SparkSession) -> DeltaTable:
        """Return the table as a ``DeltaTable``."""
        if self.path is not None:
            return DeltaTable.forPath(spark, self.path)
        return DeltaTable.forName(spark, self.name or "")

    def log(self, spark: SparkSession) -> Any:
        """Return Delta's log of the table."""
        return log_of(spark, self.path) if self.path is not None else self.delta(spark)._jdt.deltaLog()

    def snapshot(self, spark: SparkSession) -> Any | None:
        """Return Delta's newest snapshot of the table; None if there is no table."""
        if self.path is None and not self.exists(spark):
            return None
        found = self.log(spark).update(False, none(spark), none(spark))
        return found if found.version() >= 0 else None

    def table_id(self, spark: SparkSession) -> str:
        """Return the identifier that Delta gave the table when it was created: one made anew has another."""
        found = self.snapshot(spark)
        return "" if found is None else str(found.metadata().id())

    def seen(self, spark: SparkSession) -> Any | None:
        """Return the snapshot that Delta read last, without a request to the storage; None if there was no table."""
        found = self.log(spark).unsafeVolatileSnapshot()
        return found if found.version() >= 0 else None

    def read(self, spark: SparkSession) -> DataFrame:
        """Read the current version of the table."""
        if self.path is not None:
            return spark.read.format("delta").load(self.path)
        return spark.table(self.name or "")

    def version(self, spark: SparkSession) -> int:
        """Return the number of the newest commit.

        Raises:
            AnalysisException: There is no table.
        """
        snapshot = self.snapshot(spark)
        return int((snapshot or self.delta(spark)._jdt.deltaLog().unsafeVolatileSnapshot()).version())

    def pinned(self, spark: SparkSession, snapshot: Any) -> DataFrame:
        """Read the version of one of Delta's snapshots; what is committed later does not change the rows.

        If the files are known (see ``known_files``), Spark has no jobs to find them. It cannot leave out files by their
        statistics then.
        """
        files = known_files(snapshot)
        if files is None:
            return self.read_version(spark, int(snapshot.version()))
        return rows_of(spark, snapshot, files)

    def read_version(self, spark: SparkSession, version: int) -> DataFrame:
        """Read the table as commit ``version`` left it."""
        reader = spark.read.option("versionAsOf", version)
        return reader.format("delta").load(self.path) if self.path is not None else reader.table(self.name or "")

    def version_of(self, spark: SparkSession, commit: str) -> int:
        """Return the number of the commit with this name."""
        history = self.delta(spark).history().where(F.col("userMetadata") == commit)
        return int(history.collect()[0]["version"])

    def ensure(self, spark: SparkSession, spec: TableSpec) -> bool:
        """Create an empty table if there is none. Returns whether it was missing.

        Several processes may do this at the same time.
        """
        if self.exists(spark):
            return False
        if (path := self.path) is not None:
            retried(lambda: create(spark, path, spec))
            return True
        builder = DeltaTable.createIfNotExists(spark).addColumns(spec.schema).partitionedBy(*spec.partition_by)
        for key, value in spec.properties.items():
            builder = builder.property(key, value)
        try:
            retried(builder.tableName(self.name or "").execute)
        except AnalysisException:
            if not self.exists(spark):
                raise
        return True

    def append(self, df: DataFrame, options: Mapping[str, str] | None = None) -> str:
        """Append ``df`` to an existing table in one commit.

        Args:
            df: Rows with the table's columns.
            options: Options of Delta's writer.

        Returns:
            Name of the commit.

        Raises:
            InputError: The rows break a constraint of the table.
        """
        return self._commit(df.write.options(**options or {}).mode("append"))

    def replace(
        self,
        df: DataFrame,
        spec: TableSpec,
        where: Condition,
        options: Mapping[str, str] | None = None,
        there: bool | None = None,
    ) -> str:
        """Replace the rows that meet ``where`` by ``df`` in one commit.

        If there is no table yet, the same commit creates it: an empty table would have to be read again. The commit
        also adds columns that the table lacks.

        Args:
            df: Rows with the columns of ``spec``.
            spec: Columns, partitions and properties of the table.
            where: Condition of the rows to replace.
            options: Options of Delta's writer.
            there: Whether the table existed when the caller looked; a table that was created since is not replaced.

        Returns:
            Name of the commit.

        Raises:
            InputError: The rows break a constraint of the table.
        """
        writer = df.select(*spec.columns).write.options(**options or {})
        if self.exists(df.sparkSession) if there is None else there:
            writer = writer.mode("overwrite").option("replaceWhere", where.text)
            return self._commit(writer.option("mergeSchema", "true"))
        return self._commit(writer.mode("error").partitionBy(*spec.partition_by).options(**spec.properties))

    def _commit(self, writer: DataFrameWriter) -> str:
        commit = uuid4().hex
        writer = writer.format("delta").option("userMetadata", commit)
        try:
            writer.save(self.path) if self.path is not None else writer.saveAsTable(self.name or "")
        except READ_FAILURES as error:
            if refusal := refused_by(error, self):
                raise refusal from error
            raise
        return commit


@dataclass(frozen=True)
class Warehouse:
    """Locations of the tables and models of one pipeline file.

    Args:
        root: Folder or URL of path-based Delta tables; None if the tables are in a schema of the catalog.
        schema: Schema in the catalog; None if the tables are in a folder.
        models: Folder or URL of the trained models.

    Example:
        >>> from textclf import Warehouse, load_pipeline
        >>> str(Warehouse("/data/warehouse", None, "/data/warehouse/models").location("results"))
        '/data/warehouse/results'
        >>> Warehouse.of(load_pipeline(config)).root == str(folder / "warehouse")
        True
    """

    root: str | None
    schema: str | None
    models: str

    @classmethod
    def of(cls, pipeline: Pipeline) -> "Warehouse":
        """Find the warehouse that a pipeline file names.

        Args:
            pipeline: Pipeline whose relative paths are relative to the current directory.

        Returns:
            The warehouse, with absolute paths.
        """
        root = on_default_storage(pipeline.warehouse) if pipeline.warehouse is not None else None
        return cls(root, pipeline.schema_name, on_default_storage(pipeline.models_folder))

    def output_file(self, path: str) -> OutputFile:
        """Return a file for people, such as a report, beside the tables.

        Args:
            path: Path in the warehouse, such as ``reports/RUN_ID.html``.

        Returns:
            The file, whether it exists or not; for tables of a catalog, in the current folder.
        """
        return OutputFile(path.rpartition("/")[2] if self.root is None else f"{self.root}/{path}")

    def location(self, name: str) -> Location:
        """Return the location of a table; its ``read(spark)`` gives a DataFrame.

        Args:
            name: Name of the table, such as ``results``.

        Returns:
            Location of the table, whether it exists or not.
        """
        if self.schema is not None:
            return Location(name=f"{self.schema}.{name}")
        return Location(path=f"{self.root}/{name}")

    def staging(self, spark: SparkSession, run_id: str, name: str) -> Location:
        """Return where a run stages rows before they are published: a folder, even if the tables are in a catalog.

        A command that writes into a catalog plans its rows a second time, which loses their observations. A catalog
        may also keep a table's files as it likes.

        Args:
            spark: An open session.
            run_id: Identifier of the run.
            name: Name of the staged table.

        Returns:
            Location of the folder, whether it exists or not.
        """
        return Location(path=f"{self.folder(spark)}/_staging/{run_id}/{name}")

    def folder(self, spark: SparkSession) -> str:
        """Return the folder of the warehouse, or the folder where the catalog keeps the schema's tables.

        Args:
            spark: An open session.

        Returns:
            Path or URL.
        """
        return self.root if self.root is not None else spark.catalog.getDatabase(self.schema or "").locationUri

    def locks(self, spark: SparkSession) -> str:
        """Return the folder of the locks.

        Args:
            spark: An open session.

        Returns:
            Path or URL.
        """
        return f"{self.folder(spark)}/_locks"

    def read(self, spark: SparkSession, spec: TableSpec, *, fix: str) -> DataFrame:
        """Read the declared columns of a table.

        Args:
            spark: An open session.
            spec: Name and columns of the table.
            fix: What to do if the table does not exist, such as which job to run, for the error message.

        Returns:
            The current version of the table.

        Raises:
            InputError: The table does not exist yet.
        """
        place = self.location(spec.name)
        if not place.exists(spark):
            raise _no_table(spec, place, fix)
        return place.read(spark).select(*spec.columns)

    def snapshot(self, spark: SparkSession, spec: TableSpec, *, fix: str) -> Any:
        """Return Delta's newest snapshot of a table.

        Args:
            spark: An open session.
            spec: Name of the table.
            fix: What to do if the table does not exist, for the error message.

        Returns:
            The snapshot, for ``Location.pinned`` and ``small_table``.

        Raises:
            InputError: The table does not exist yet.
        """
        place = self.location(spec.name)
        snapshot = place.snapshot(spark)
        if snapshot is None:
            raise _no_table(spec, place, fix)
        return snapshot

    def read_fixed(self, spark: SparkSession, spec: TableSpec, *, fix: str) -> DataFrame:
        """Read the declared columns of a table as they are now, whatever is committed later.

        Args:
            spark: An open session.
            spec: Name and columns of the table.
            fix: What to do if the table does not exist, for the error message.

        Returns:
            The current version of the table, also after the next commit.

        Raises:
            InputError: The table does not exist yet.
        """
        snapshot = self.snapshot(spark, spec, fix=fix)
        return self.location(spec.name).pinned(spark, snapshot).select(*spec.columns)

    def replace_sources(self, df: DataFrame, spec: TableSpec, sources: Sequence[str]) -> str:
        """Replace the sources' slices of a table in one commit, whole or not at all.

        Rows for a catalog are first written to files, which keeps their observations; see ``staging``.

        Args:
            df: Rows of these sources, with the columns of ``spec``.
            spec: Name, columns, partitions and properties of the table.
            sources: Names of the sources.

        Returns:
            The commit's name.
        """
        place, condition = self.location(spec.name), of_sources(sources)
        if place.path is not None:
            return place.replace(df, spec, condition)
        from textclf.storage.staging import staging_folder  # here, because it imports this module

        spark = df.sparkSession
        with staging_folder(spark, self, new_run_id(datetime.now(UTC)), spec.name) as folder:
            df.write.parquet(folder)
            rows = spark.read.schema(df.schema).option("__globPaths__", "false").parquet(folder)
            return place.replace(rows, spec, condition)


def _no_table(spec: TableSpec, place: Location, fix: str) -> InputError:
    return InputError(f"The table {spec.name} does not exist.", expected=f"a Delta table at {place}", fix=fix)
