"""Record counts of a source."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from textclf.corpus.first_look import Look
from textclf.errors import InputError
from textclf.storage.files.listing import Skipped


@dataclass(frozen=True)
class Counts:
    """Number of records and, for line formats, of lines in one source.

    ``records = accepted + rejected``. ``lines`` covers headers, accepted records and rejects. ``subfolder_files``
    counts the files that ``recursive = false`` would leave out. ``before`` is the number of records that the corpus
    had for the source before the run, None if it had none.
    """

    records: int
    accepted: int
    rejected: int
    reasons: dict[str, int]
    lines: int | None = None
    header_lines: int | None = None
    reject_lines: int | None = None
    skipped: Skipped = field(default_factory=Skipped)
    subfolder_files: int = 0
    before: int | None = None


class Tally(NamedTuple):
    """Staged records of a source with one reject reason (None: accepted), and the number of their lines."""

    reason: str | None
    records: int
    lines: int | None


def count_records(look: Look, tallies: Sequence[Tally], before: int | None = None) -> Counts:
    """Compute a source's counts from the first look at it and from its staged records.

    Raises:
        InputError: The counts do not add up: the files changed in between.
    """
    plan = look.plan
    accepted = plan.plain + sum(each.records for each in tallies if each.reason is None)
    reasons = {each.reason: each.records for each in sorted(tallies, key=str) if each.reason is not None}
    rejected = sum(reasons.values())
    if accepted + rejected != plan.records:
        raise changed([look], accepted + rejected, plan.records)
    counts = Counts(
        plan.records,
        accepted,
        rejected,
        reasons,
        skipped=look.skipped,
        subfolder_files=look.subfolder_files,
        before=before,
    )
    if look.source.kind.columnar:
        return counts
    held = plan.headers + plan.plain + sum(each.lines or 0 for each in tallies)
    if held != plan.lines:
        raise changed([look], held, plan.lines, "lines")
    reject_lines = sum(each.lines or 0 for each in tallies if each.reason is not None)
    return replace(counts, lines=plan.lines, header_lines=plan.headers, reject_lines=reject_lines)


def changed(looks: Sequence[Look], received: int, expected: int, unit: str = "records") -> InputError:
    """Make the error for sources whose files changed between two reads."""
    names = ", ".join(look.source.name for look in looks)
    return InputError(
        f"Source {names} changed while it was read.",
        received=f"{received} {unit}",
        expected=f"{expected} {unit}, as counted a moment before",
        fix="run again when nothing writes to the files",
    )
