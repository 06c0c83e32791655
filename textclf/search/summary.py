"""A finished search as a table for the terminal and as figures for the run record."""

from dataclasses import asdict
from typing import Any

from textclf.errors import TextclfError
from textclf.search.search import Outcome, SearchReport
from textclf.search.selection import CandidateResult

_COLUMNS = ("source", "champion", "best CV", "test", "parameters", "baseline", "seconds")


def table(report: SearchReport) -> str:
    """One line for each source, and a note where the choice was not made by accuracy alone."""
    rows = [_COLUMNS, *(_row(outcome) for outcome in report.outcomes.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append(
        f"search {report.search_id}: {report.ran} trials run, {report.known} known before, {report.seconds:.1f} s"
    )
    return "\n".join(lines) + "\n"


def _row(outcome: Outcome) -> tuple[str, ...]:
    verdict, saved = outcome.verdict, outcome.saved
    if verdict is None:
        return outcome.source, "none", "", "", "", "", f"{outcome.seconds:.1f}"
    chosen, baseline = verdict.chosen, verdict.baseline
    name = (
        f"{chosen.trial.candidate.architecture} {chosen.trial.candidate.params}"
        if chosen.trial.candidate.values
        else (chosen.trial.candidate.architecture)
    )
    return (
        outcome.source,
        name,
        f"{verdict.best.accuracy:.4f} ± {verdict.best.standard_error:.4f}",
        f"{saved.accuracy:.4f}" if saved is not None and saved.error is None else "failed",
        f"{chosen.trial.parameters:,}",
        f"{baseline.accuracy:.4f}" if baseline is not None else "failed",
        f"{outcome.seconds:.1f}",
    )


def problems(report: SearchReport) -> list[str]:
    """Sources without a winner, each with the reason."""
    return [
        f"{outcome.source}: {' '.join(outcome.problem.split())}"
        for outcome in report.outcomes.values()
        if outcome.problem is not None
    ]


def raise_for(report: SearchReport) -> None:
    """Raise an error that names the sources without a winner.

    Raises:
        TextclfError: A source has no winner.
    """
    if failed := problems(report):
        raise TextclfError(
            f"{len(failed)} of {len(report.outcomes)} sources have no winner; the others have.",
            received="\n    ".join(failed[:20]),
            expected="two labels or more, a vocabulary, and one candidate that does not fail in any fold",
            fix="look at the errors in the table trials; run again, which keeps what has ended",
        )


def details(report: SearchReport) -> dict[str, Any]:
    """Figures for the run record."""
    return {
        "trials_run": report.ran,
        "trials_known": report.known,
        "sources": {name: _figures(outcome) for name, outcome in report.outcomes.items()},
    }


def _figures(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"trials": outcome.trials, "failed": outcome.failed, "seconds": round(outcome.seconds, 3)}
    if outcome.problem is not None:
        found["problem"] = outcome.problem
    if outcome.warnings:
        found["warnings"] = outcome.warnings
    if outcome.verdict is not None:
        verdict = outcome.verdict
        found |= {"chosen": _measures(verdict.chosen), "best": _measures(verdict.best), "rule": verdict.rule}
        found["baseline"] = None if verdict.baseline is None else _measures(verdict.baseline)
        found["beats_baseline"] = verdict.beats_baseline
    if outcome.saved is not None and outcome.saved.error is None:
        saved = asdict(outcome.saved)
        found |= {name: saved[name] for name in ("version", "digest", "accuracy", "loss")}
        found["champion"] = outcome.promoted
        if outcome.saved.interval is not None:
            found["accuracy_interval"] = list(outcome.saved.interval)
    if outcome.nested:
        mean = sum(outcome.nested) / len(outcome.nested)
        found["nested"] = {"accuracy": mean, "folds": outcome.nested}
    return found


def _measures(result: CandidateResult) -> dict[str, Any]:
    candidate = result.trial.candidate
    return {
        "architecture": candidate.architecture,
        "params": dict(candidate.values),
        "accuracy": result.accuracy,
        "standard_error": result.standard_error,
        "loss": result.loss,
        "epochs": result.epochs,
        "parameters": result.trial.parameters,
    }
