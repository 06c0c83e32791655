"""Decide what a chain has to do, and why: pure functions of what is known before each step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from textclf.chain.earlier_runs import Done, Past
from textclf.errors import GateError
from textclf.runs.history import Publication
from textclf.scoring.marks import Mark

STEPS = ("ingest", "vocabulary", "models", "score", "report")
"""The steps of a chain, in order."""
NO_ROWS = "the input has no rows of this day"
EMPTY = "the input has no rows"
STILL_REFUSED = "refused from the same input, models and settings in run"
INPUT = "input"
"""Subject of decisions about the whole input."""


@dataclass(frozen=True)
class Decision:
    """Whether a step is done for a source or a day, and why.

    Attributes:
        step: Name of the step.
        subject: Source, day or run.
        due: Whether the step is done; None if an earlier step of the same run decides it.
        reason: Reason in words.
    """

    step: str
    subject: str
    due: bool | None
    reason: str

    def __str__(self) -> str:
        word = {True: "do", False: "skip", None: "later"}[self.due]
        return f"{self.step:<10}  {self.subject:<16}  {word:<5}  {self.reason}"


def ingest_decisions(
    found: Mapping[str, str],
    known: Mapping[str, Done],
    refused: Mapping[str, Done] = MappingProxyType({}),
    failed: Mapping[str, str] = MappingProxyType({}),
) -> list[Decision]:
    """Decide for each source whether its files differ from those of the newest ingest that published them.

    A source whose newest delivery was refused is read every time. The same files may pass now, and if the files of
    the previous delivery were put back, they must be read to end the refusal.

    Args:
        found: Current fingerprint of each source's files.
        known: Newest ingest of each source that published its delivery.
        refused: Ingest that refused the newest delivery of a source.
        failed: Reason for each source that cannot be found; ingesting it raises the error again.
    """
    made = []
    for source, mark in found.items():
        before, no = known.get(source), refused.get(source)
        if no is not None and no.figures.get("fingerprint") == mark:
            made.append(Decision("ingest", source, True, f"run {no.run_id} refused the same files: read again"))
        elif no is not None and (before is None or before.figures.get("fingerprint") == mark):
            made.append(Decision("ingest", source, True, f"run {no.run_id} refused its newest delivery: read again"))
        elif before is None:
            made.append(Decision("ingest", source, True, "never read"))
        elif before.figures.get("fingerprint") is None:
            made.append(Decision("ingest", source, True, f"run {before.run_id} has no fingerprint of its files"))
        elif before.figures["fingerprint"] != mark:
            made.append(Decision("ingest", source, True, f"files or section changed since run {before.run_id}"))
        else:
            made.append(Decision("ingest", source, False, f"files are those of run {before.run_id}"))
    return made + [Decision("ingest", source, True, why) for source, why in failed.items()]


def vocabulary_decision(source: str, known: Past, settings: str) -> Decision:
    """Decide whether the vocabulary of a source must be rebuilt before its model."""
    counted, ingested = known.counted.get(source), known.ingested.get(source)
    if counted is None:
        return Decision("vocabulary", source, True, "none yet")
    if ingested is None or counted.started_at < ingested.ended_at:
        return Decision("vocabulary", source, True, "the corpus was read since")
    if counted.figures.get("settings") != settings:
        return Decision("vocabulary", source, True, "the settings of the split changed")
    return Decision("vocabulary", source, False, f"run {counted.run_id} counted this corpus")


def day_decisions(
    asked: Iterable[date],
    late: Iterable[date],
    marks: Mapping[date, Mark],
    published: Mapping[date | None, Publication],
    refused: Mapping[date | None, Publication],
) -> list[Decision]:
    """Decide whether to score each requested day, and each earlier day that may have changed.

    Args:
        asked: Requested days.
        late: Earlier days.
        marks: Digests of what decides the rows of each day; empty if the input's content is not known.
        published, refused: Newest run of each day that published it, or that was refused.
    """
    wanted = list(asked)
    first = min((day for day in published if day is not None), default=None)
    made = []
    for day in sorted({*wanted, *late}):
        mark, before, no = marks.get(day), published.get(day), refused.get(day)
        if no is not None and before is not None and before.ended_at > no.ended_at:
            no = None
        if day in wanted:
            due, reason = _asked(mark, before, no)
        else:
            due, reason = _late(mark, before, no, begun=first is not None and first < day)
        if reason:
            made.append(Decision("score", day.isoformat(), due, reason))
    return made


def _asked(mark: Mark | None, before: Publication | None, no: Publication | None) -> tuple[bool, str]:
    if mark is None:
        return True, "it is not known whether the input changed"
    if not mark.input:
        return False, NO_ROWS
    if no is not None and no.fingerprint == mark.fingerprint:
        return False, f"{STILL_REFUSED} {no.run_id}"
    if before is None:
        return True, "not published yet"
    if before.fingerprint != mark.fingerprint:
        return True, f"input, models or settings changed since run {before.run_id}"
    return False, f"published by run {before.run_id} from the same input, models and settings"


def _late(mark: Mark | None, before: Publication | None, no: Publication | None, *, begun: bool) -> tuple[bool, str]:
    """Decide by the input alone whether to score a day before the requested ones: a new model is for new days.

    Args:
        mark: Digests of what decides the rows of the day.
        before: Newest run that published the day.
        no: Newest run of the day that was refused.
        begun: Whether an earlier day has been published: days before the first one were never requested.
    """
    if mark is None or not mark.input:
        return False, ""
    if no is not None and no.input_digest == mark.input:
        return False, f"refused in run {no.run_id}, and its input is the same"
    if before is None:
        return (True, "has rows and was not published") if begun else (False, "")
    if before.input_digest is None:
        return False, f"run {before.run_id} has no digest of its input"
    if before.input_digest != mark.input:
        return True, f"its input changed since run {before.run_id}"
    return False, ""


def input_decision(
    fingerprint: str | None, published: Sequence[Publication], refused: Sequence[Publication]
) -> Decision:
    """Decide whether to score the whole input: unless the newest publication did, from what there is now.

    Args:
        fingerprint: Digest of what decides the rows, see ``scoring.marks``; None if the input's content is not known.
        published, refused: Runs that published to the table, or were refused there, newest first.
    """
    before, no = next(iter(published), None), next(iter(refused), None)
    if no is not None and before is not None and before.ended_at > no.ended_at:
        no = None
    due, reason = _whole(fingerprint, before, no)
    return Decision("score", INPUT, due, reason)


def _whole(fingerprint: str | None, before: Publication | None, no: Publication | None) -> tuple[bool, str]:
    if fingerprint is None:
        return True, "it is not known whether the input changed"
    if no is not None and no.whole_fingerprint == fingerprint:
        return False, f"{STILL_REFUSED} {no.run_id}"
    if before is None:
        return True, "not published yet"
    if before.whole_fingerprint is None:
        return True, f"run {before.run_id}, the newest, did not publish the whole input"
    if before.whole_fingerprint != fingerprint:
        return True, f"input, models or settings changed since run {before.run_id}"
    if not before.slices:
        return False, EMPTY
    return False, f"published by run {before.run_id} from the same input, models and settings"


def still_refused(what: str, received: str) -> GateError:
    """Return the error for rows that are not scored, because the gate has refused the same rows before.

    Args:
        what: What was refused: ``these days``.
        received: The runs that were refused.
    """
    return GateError(
        f"The gate has already refused {what}, and nothing has changed since.",
        received=received,
        expected="a different input, model or limit than before",
        fix="look at the run with show_run; to publish its rows as they are: score_table --config FILE "
        "--publish-anyway RUN_ID --reason TEXT",
    )
