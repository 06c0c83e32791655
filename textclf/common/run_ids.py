"""Identifiers of runs, which also name their staging folders."""

from datetime import datetime
from uuid import uuid4


def new_run_id(now: datetime) -> str:
    """Make an identifier that sorts by time, such as ``20260131T235959-1a2b3c4d``."""
    return f"{now:%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
