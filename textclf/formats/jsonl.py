"""One JSON object a line: ``jsonl``."""

import json
from collections.abc import Sequence

from textclf.formats.base import Fields, LineFormat, SourceKeys
from textclf.formats.json_fields import json_picker

JSON_ARRAY = "it is one JSON array: write one object per line, for example: jq -c '.[]' FILE > NEW"


class JsonLines(LineFormat):
    """One JSON object a line, with text and label by their names."""

    name = "jsonl"

    def fields(self, source: SourceKeys, columns: Sequence[str]) -> Fields:
        """The values of the two names."""
        return json_picker(source.text, source.label)

    def structural_byte(self, source: SourceKeys) -> bytes:
        """The quote around a name."""
        return b'"'

    def refusal(self, line: bytes) -> str | None:
        """Refuse one array of records; an array of other values is a record that is invalid."""
        if not line.lstrip().startswith(b"["):
            return None
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return JSON_ARRAY
        return JSON_ARRAY if not value or isinstance(value[0], dict) else None
