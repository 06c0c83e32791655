"""The summary of a run for people, in place of the JSON record where standard output is a terminal.

    show_summary(record)                                    # what was read, what became of it, where the tables are
    show_summary(record, "./spark-submit.sh train_model --config conf/sample.toml")      # and what comes next

It says what the record says, with the same places masked.
"""

import json
import sys

from textclf.common.terminal import write_anything
from textclf.runs.record import RunRecord
from textclf.workflow.summary.blocks import Summary, summary_of

__all__ = ["Summary", "show_summary", "summary_of"]


def show_summary(record: RunRecord, following: str | None = None) -> None:
    """Write the summary of a run that has ended to standard output, as wide as the terminal.

    Args:
        record: Run record.
        following: Command that comes next, written so that a shell takes it; None if there is none.
    """
    from textclf.workflow.summary.layout import draw  # imports rich, which only a terminal needs

    write_anything()
    draw(summary_of(json.loads(record.to_json()), following), sys.stdout)
