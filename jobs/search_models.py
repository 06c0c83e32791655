"""Search the best model of each source, trials side by side on the executors, and make it the champion."""

import sys
from collections.abc import Sequence
from pathlib import Path

from textclf.errors import TextclfError
from textclf.job import Job, add_source, parser, run
from textclf.search.search import Report, search_models
from textclf.search.summary import details, problems, table
from textclf.tables.schemas import TRIALS


def work(job: Job) -> None:
    """Search, and note the choice for each source in the run record."""
    record, args = job.record, job.args
    record.tables = {TRIALS.name: str(job.warehouse.location(TRIALS.name))}
    sources = job.sources()
    report = search_models(job.spark, job.warehouse, job.pipeline, sources, record.run_id, fresh=args.fresh)
    record.details = details(report)
    for outcome in report.outcomes.values():
        if outcome.saved is not None and outcome.saved.error is None:
            record.models[f"{outcome.source}@{outcome.saved.version}"] = outcome.saved.digest
    sys.stderr.write(table(report))
    if args.figures:
        _draw(report, Path(args.figures))
    if job.pipeline.mlflow is not None:
        from textclf.search.tracking import log_search

        log_search(job.pipeline.mlflow, job.warehouse.models, report)
    if failed := problems(report):
        raise TextclfError(
            f"{len(failed)} of {len(sources)} sources have no winner; the others have.",
            received="\n    ".join(failed[:20]),
            expected="two labels or more, a vocabulary, and one candidate that does not fail in any fold",
            fix="look at the errors in the table trials; run again, which keeps what has ended",
        )


def _draw(report: Report, folder: Path) -> None:
    from textclf.report.figures import save
    from textclf.report.searches import search_figures

    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in search_figures(report):
        save(figure, folder / name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("search_models", __doc__)
    add_source(made)
    again = made.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="keep trials that have ended before (the default)")
    again.add_argument("--fresh", action="store_true", help="run every trial anew")
    made.add_argument("--figures", metavar="FOLDER", help="draw the space and the winner's learning curves there")
    return run("search_models", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
