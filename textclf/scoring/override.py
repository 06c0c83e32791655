"""Override the gate: publish the rows of a refused run."""

from contextlib import ExitStack
from datetime import date, datetime
from typing import Any

from textclf.errors import InputError
from textclf.quality.audit import Figures
from textclf.runs.history import publications, record_killed, recorded_forms
from textclf.runs.provenance import run_record
from textclf.runs.record import RunRecord
from textclf.runs.run_lock import run_locked
from textclf.runs.workspace import Workspace
from textclf.scoring.execution import STAGED
from textclf.scoring.plan import targets_of
from textclf.scoring.run_notes import note_copies
from textclf.storage.append_only import check_replaceable
from textclf.storage.publish import Slice
from textclf.storage.schema_changes import check_columns, published_columns
from textclf.storage.schemas import CHALLENGED, DIGEST
from textclf.storage.staged_table import StagedTable
from textclf.storage.staging import is_whole, remove


def publish_anyway(
    workspace: Workspace,
    run: RunRecord,
    *,
    refused: str,
    reason: str,
    output: str | None = None,
    held: ExitStack | None = None,
) -> None:
    """Publish the rows that a refused run left in staging; they keep the identifier of the run that scored them.

    Args:
        workspace: Session, pipeline file, tables and models.
        run: Record of this run.
        refused: Identifier of the refused run.
        reason: Reason for publishing; kept in the record of this run.
        output: The table of results, as given to the refused run.
        held: Stack that releases the locks when it is closed; see ``score_table``.

    Raises:
        UsageError: ``refused`` is not a run identifier.
        InputError: The run was not refused, its rows are gone, it was for another table, or a later run has
            published the same slices.
        LockError: Another run works on one of the days.
    """
    spark, warehouse = workspace.spark, workspace.warehouse
    record, stored = _refused(workspace, refused)
    gate = record["gate"]
    schema = stored.rows.schema
    columns = schema.names
    targets = targets_of(
        warehouse,
        schema["id"].dataType,
        output,
        challenged=CHALLENGED.fieldNames()[0] in columns,
        digests=DIGEST.name in columns,
    )
    place = str(targets.accepted.place)
    if gate["output"] not in recorded_forms(spark, place):
        raise InputError(
            "The refused run was for another table.",
            received=place,
            expected=gate["output"],
            fix="give the same --config and --output as for the refused run",
        )
    slices = [Figures.from_json(each).slice for each in gate["slices"]]
    with ExitStack() as stack:
        taken = run_locked(spark, warehouse, targets.accepted.place, run, workspace.pipeline.lock.lease)
        locks = (held or stack).enter_context(taken)
        locks.take(each.ds for each in slices)
        record_killed(spark, warehouse, locks, targets.accepted.place)
        _check_newest(workspace, place, record, slices)
        for target in (targets.accepted, targets.rejected):
            check_columns(target.place, published_columns(spark, target.place), target.spec)
            run.tables[target.spec.name] = str(target.place)
        check_replaceable(spark, targets.accepted.place, targets.rejected.place)
        _note(run, record, refused, reason)
        locks.check()
        targets.await_upkeep(locks)
        if "run_id" in columns:
            note_copies(run, targets.take_over(stored, slices, run.fence))
        else:  # staged by a release that added it while it published
            targets.publish(stored.rows, refused, slices, run.fence)
        remove(spark, stored.place)


def _refused(workspace: Workspace, run_id: str) -> tuple[dict[str, Any], StagedTable]:
    """Return the record of a refused run and its staged rows."""
    spark, warehouse = workspace.spark, workspace.warehouse
    record = run_record(spark, warehouse, run_id)
    place = warehouse.staging(spark, run_id, STAGED)
    there = is_whole(spark, place)
    if record["status"] != "refused" or not there:
        raise InputError(
            "This run has no refused rows to publish.",
            received=f"{run_id}, {record['status']}" + ("" if there else f", not all of its rows, of {place}"),
            expected="a refused run whose rows are still in staging",
            fix="score the day again",
        )
    if record["gate"]["checks"]["counts"]["failed"]:
        raise InputError(
            "The rows of this run do not add up, so they cannot be published.",
            received="a run with lost or duplicated rows",
            expected="a run that the gate refused for the contents of its rows",
            fix="score the day again",
        )
    return record, StagedTable.at(spark, place)


def _note(run: RunRecord, record: dict[str, Any], refused: str, reason: str) -> None:
    for name in ("input", "input_version", "input_rows", "scored_rows", "rejected_rows", "models"):
        setattr(run, name, record[name])
    run.gate = record["gate"] | {"verdict": "overridden"}
    # With its digests the day counts as published from that input; it is not scored and refused again.
    names = ("day", "corpora", "challengers", "limit", "fingerprint", "whole_fingerprint", "input_digest")
    kept = {name: record["details"][name] for name in names if name in record["details"]}
    run.details |= kept | {"published_run": refused, "reason": reason}


def _check_newest(workspace: Workspace, output: str, record: dict[str, Any], slices: list[Slice]) -> None:
    """Check that no later run has published the slices: older scores never replace newer ones."""
    scored = datetime.fromisoformat(record["started_at"])
    for publication in publications(workspace.spark, workspace.warehouse, output):
        both = {each.slice for each in publication.slices} & set(slices)
        if both and publication.ended_at >= scored:
            first = min(both, key=lambda each: (each.ds or date.min, each.source or ""))
            raise InputError(
                "A later run has published the same slices.",
                received=f"{first.ds}/{first.source}, published by {publication.run_id}",
                expected="slices that no run has published since",
                fix="if the newer rows are wrong, score the day again",
            )
