"""Names, columns, reads and writes of every table."""

from textclf.tables.runs import RunRecord
from textclf.tables.staging import staged
from textclf.tables.warehouse import Location, Warehouse

__all__ = ["Location", "RunRecord", "Warehouse", "staged"]
