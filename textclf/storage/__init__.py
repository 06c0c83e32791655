"""Names, columns, reads and writes of every table."""

from textclf.storage.staging import staged
from textclf.storage.warehouse import Location, Warehouse

__all__ = ["Location", "Warehouse", "staged"]
