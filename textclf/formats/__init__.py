"""Formats of a source: which keys of the pipeline file go with each, and how a record is taken apart."""

from textclf.formats.base import Fields, LineFormat, SourceFormat, SourceKeys
from textclf.formats.registry import FORMATS, line_format

__all__ = ["FORMATS", "Fields", "LineFormat", "SourceFormat", "SourceKeys", "line_format"]
