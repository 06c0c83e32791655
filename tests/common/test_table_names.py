"""The list of tables that is used without Spark names every table once."""

from pyspark.sql.types import LongType

from textclf.common.table_names import PUBLISHED, TABLES
from textclf.storage import schemas
from textclf.storage.schemas import TableSpec


def test_every_table_is_named_once() -> None:
    declared = {spec.name for spec in vars(schemas).values() if isinstance(spec, TableSpec)}
    published = {schemas.results(LongType()).name, schemas.results_rejects(LongType()).name}

    assert sorted(TABLES) == sorted(declared | published)
    assert set(PUBLISHED) == published
