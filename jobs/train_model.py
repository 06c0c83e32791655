"""Train a model of each source and keep it as the next version of the model named after the source."""

import sys
from collections.abc import Sequence
from pathlib import Path

from textclf.errors import UsageError
from textclf.job import Job, add_source, parser, run
from textclf.training.train import TrainedModel, train_model


def work(job: Job) -> None:
    """Train, and note version, digest and metrics of each model in the run record."""
    overrides = _pairs(job.args.set)
    architecture = job.args.architecture or job.pipeline.search.architecture
    for source in job.sources():
        trained = train_model(
            job.spark, job.warehouse, job.pipeline, source, architecture, overrides, promote=job.args.promote
        )
        manifest = trained.artifact.manifest
        job.record.models[trained.artifact.reference] = trained.artifact.digest
        job.record.details[source.name] = {
            "version": manifest.version,
            "digest": trained.artifact.digest,
            "champion": trained.champion,
            "architecture": manifest.architecture,
            "parameters": trained.parameters,
            "accuracy": trained.evaluation.accuracy,
            "loss": trained.evaluation.log_loss,
            "macro_f1": trained.evaluation.macro.f1,
            "roc_auc": trained.evaluation.roc_auc,
        }
        sys.stderr.write(f"{trained.artifact.reference}: test accuracy {trained.evaluation.accuracy:.4f}\n")
        if job.args.figures:
            _draw(trained, Path(job.args.figures))
        if trained.champion != manifest.version:
            sys.stderr.write(f"{source.name}: version {trained.champion} stays the champion; --promote changes that\n")


def _draw(trained: TrainedModel, folder: Path) -> None:
    """Write the model's pictures as PNG and SVG."""
    from textclf.report.figures import confusion_figure, history_figure, reliability_figure, save

    figures = {"confusion": confusion_figure(trained.evaluation), "reliability": reliability_figure(trained.evaluation)}
    if trained.history:
        figures["history"] = history_figure(trained.history)
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save(figure, folder / f"{trained.artifact.reference}-{name}")


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise UsageError("A setting is not a pair.", received=f"--set {pair}", expected="--set KEY=VALUE")
        pairs[key] = value
    return pairs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("train_model", __doc__)
    add_source(made)
    made.add_argument("--architecture", metavar="NAME", help="default: [search] architecture of the pipeline file")
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a hyperparameter or fit setting")
    made.add_argument("--figures", metavar="FOLDER", help="draw history, confusion matrix and reliability there")
    made.add_argument("--promote", action="store_true", help="make the new version the champion")
    return run("train_model", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
