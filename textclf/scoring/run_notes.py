"""What a run says of its pass: which kernels computed it, and which rows nobody foresaw."""

from textclf.common.logs import say
from textclf.common.secrets import first_line
from textclf.runs.record import RunRecord
from textclf.scoring.worker.kernel_report import FIRST_ERROR, Fallbacks

_LONGEST = 200  # characters of an error that a record keeps


def note_kernels(run: RunRecord, fallbacks: Fallbacks) -> None:
    """Note in a run what its compiled models were computed with, and say so where it was not numba."""
    fallbacks = {host: why for host, why in fallbacks.items() if host != FIRST_ERROR}
    run.details["kernels"] = {host: f"numpy: {why}" for host, why in sorted(fallbacks.items())} or "numba"
    for host, why in sorted(fallbacks.items()):
        what = f"textclf: on {host} numba cannot run ({why}); its workers scored with numpy, several times slower."
        say(what, "warning")


def note_unreadable(run: RunRecord, told: Fallbacks, rows: int) -> None:
    """Note in a run that rows were rejected for reasons that nobody foresaw, and say so."""
    if rows:
        error, _, place = told.get(FIRST_ERROR, "unknown\n").rpartition("\n")
        first = f"{first_line(Exception(error), _LONGEST)} {place}".rstrip()
        run.details["unreadable_rows"] = {"rows": rows, "first_error": first}
        say(f"textclf: {rows} rows could not be scored and are rejects (unreadable_row); one raised {first}", "warning")
