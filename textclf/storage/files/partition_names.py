"""Names of partition folders, as Spark writes them: ``source=a%2Fb``."""

import re

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""How a folder's name writes null, and also the empty string."""
_SIGNS = re.compile("[\x01-\x1f\x7f\"#%'*/:=?\\\\{\\[\\]^]")  # ExternalCatalogUtils.charToEscape, except on Windows


def folder_name(column: str, value: str | None) -> str:
    """Return the name of the folder for a value of a partition column.

    Source: ``ExternalCatalogUtils.getPartitionPathString`` of Apache Spark 4.2.

    Example:
        >>> folder_name("source", "a/b"), folder_name("ds", None)
        ('source=a%2Fb', 'ds=__HIVE_DEFAULT_PARTITION__')
    """
    return f"{_escaped(column)}={_escaped(value) if value else NO_VALUE}"


def _escaped(text: str) -> str:
    return _SIGNS.sub(lambda found: f"%{ord(found[0]):02X}", text)
