"""The list of tables that is read without Spark is that of the tables that there are."""

from pyspark.sql.types import LongType

from textclf.common.table_names import PUBLISHED, TABLES
from textclf.storage import schemas
from textclf.storage.schemas import TableSpec


def test_every_table_is_named_once() -> None:
    declared = {spec.name for spec in vars(schemas).values() if isinstance(spec, TableSpec)}
    published = {schemas.results(LongType()).name, schemas.results_rejects(LongType()).name}

    assert sorted(TABLES) == sorted(declared | published)
    assert set(PUBLISHED) == published
