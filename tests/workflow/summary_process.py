"""Show the summary of a run record in a file: ``python -m tests.workflow.summary_process FILE [COMMAND]``."""

import json
import sys
from datetime import timedelta
from pathlib import Path

from textclf.runs.record import RunRecord
from textclf.workflow.summary import show_summary


def main(file: str, following: str | None = None) -> None:
    """Show the summary of the record in a file."""
    given = json.loads(Path(file).read_text())
    record = RunRecord(given.pop("job"), run_id="20260131T000000-1a2b3c4d")
    record.end(given.pop("status", "succeeded"), given.pop("error", None))
    record.ended_at = record.started_at + timedelta(seconds=12.34)
    for name, value in given.items():
        setattr(record, name, value)
    show_summary(record, following)


if __name__ == "__main__":
    main(*sys.argv[1:])
