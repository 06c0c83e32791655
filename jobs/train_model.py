"""Train a model of each source and save it as the next version of the model named after the source."""

import sys
from collections.abc import Sequence
from contextlib import closing

from textclf.common.logs import raise_first, say
from textclf.config import Source
from textclf.errors import InputError, UsageError
from textclf.spark import FEW_ROWS
from textclf.training.train import TrainedModel
from textclf.workflow import steps
from textclf.workflow.runner import Job, add_source, parser, run
from textclf.workflow.short_work import size_of_tables


def work(job: Job) -> None:
    """Train the models; version, digest and measures of each go into the run record."""
    sources, failed = job.sources(), list[InputError]()
    try:
        _train(job, sources, failed)
    finally:
        # As the pipeline file has them, however they ended.
        order = {source.name: at for at, source in enumerate(sources)}
        record = job.record
        record.details = dict(sorted(record.details.items(), key=lambda item: order[item[0]]))
        record.models = dict(sorted(record.models.items(), key=lambda item: order[item[0].partition("@")[0]]))
    raise_first(failed)


def _train(job: Job, sources: Sequence[Source], failed: list[InputError]) -> None:
    """Train all models that can be trained; errors of the others' data are added to ``failed``."""
    args, overrides = job.args, _pairs(job.args.set)
    wanted = {"architecture": args.architecture, "overrides": overrides}
    with closing(steps.trainings(job.workspace, sources, **wanted, promote=args.promote)) as begun:
        for source, finish in begun:
            try:
                trained = steps.train(job.workspace, job.record, source, finish, **wanted)
            except InputError as error:  # of this source's data: the others can be trained
                failed.append(error)
                continue
            if args.figures:
                _draw(trained, args.figures)
            if trained.champion != trained.artifact.manifest.version:
                say(f"{source.name}: version {trained.champion} stays the champion; use --promote to change that")


def _draw(trained: TrainedModel, folder: str) -> None:
    """Write the model's figures as PNG and SVG into a folder or below a URL."""
    from textclf.report.training_figures import confusion_figure, history_figure, reliability_figure, save_all

    figures = {"confusion": confusion_figure(trained.evaluation), "reliability": reliability_figure(trained.evaluation)}
    if trained.history:
        figures["history"] = history_figure(trained.history)
    save_all(((f"{trained.artifact.reference}-{name}", figure) for name, figure in figures.items()), folder)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise UsageError("The argument of --set is invalid.", received=f"--set {pair}", expected="--set KEY=VALUE")
        pairs[key] = value
    return pairs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    made = parser("train_model", __doc__)
    add_source(made)
    made.add_argument("--architecture", metavar="NAME", help="default: [search] architecture of the pipeline file")
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a hyperparameter or fit setting")
    made.add_argument(
        "--figures", metavar="FOLDER", help="folder or URL for plots of history, confusion matrix, reliability"
    )
    made.add_argument("--promote", action="store_true", help="make the new version the champion")
    return run("train_model", made, work, argv, spark=FEW_ROWS, input_size=size_of_tables("corpus"))


if __name__ == "__main__":
    sys.exit(main())
