"""Tables: their names and columns, and how they are read and written."""

from textclf.storage.staging import staged
from textclf.storage.warehouse import Location, Warehouse

__all__ = ["Location", "Warehouse", "staged"]
