"""Notes in a run record about its pass: kernels, copies, and rows that raised an unexpected error."""

from textclf.common.logs import say
from textclf.common.secrets import first_line
from textclf.runs.record import RunRecord
from textclf.scoring.worker.kernel_report import FIRST_ERROR, Fallbacks

_LONGEST = 200  # characters of an error that a record keeps


def note_kernels(run: RunRecord, fallbacks: Fallbacks) -> None:
    """Note whether numba or numpy computed the compiled models, and warn about each host that used numpy."""
    fallbacks = {host: why for host, why in fallbacks.items() if host != FIRST_ERROR}
    run.details["kernels"] = {host: f"numpy: {why}" for host, why in sorted(fallbacks.items())} or "numba"
    for host, why in sorted(fallbacks.items()):
        what = f"textclf: numba cannot run on {host} ({why}); its workers scored with numpy, several times slower."
        say(what, "warning")


def note_copies(run: RunRecord, why: str | None) -> None:
    """Note whether the commit only named the files of the pass, or why rows were copied."""
    run.details["publish"] = "by name" if why is None else f"copied, {why}"


def note_unreadable(run: RunRecord, told: Fallbacks, rows: int) -> None:
    """Note and warn that rows were rejected because scoring them raised an unexpected error."""
    if rows:
        error, _, place = told.get(FIRST_ERROR, "unknown\n").rpartition("\n")
        first = f"{first_line(Exception(error), _LONGEST)} {place}".rstrip()
        run.details["unreadable_rows"] = {"rows": rows, "first_error": first}
        what = f"textclf: {rows} rows were rejected as unreadable_row because scoring them failed; one raised {first}"
        say(what, "warning")
