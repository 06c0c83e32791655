"""The tutorial's search, on each source's own rows and on the pooled ones, run by search_models."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from benchmarks.tutorial import published
from benchmarks.tutorial.material import Material, uci_sources
from benchmarks.tutorial.measure import Spread, four, table
from textclf.config import parse_pipeline
from textclf.corpus.ingest import ingest_corpus
from textclf.corpus.vocabulary import build_vocabulary
from textclf.runs.workspace import Workspace
from textclf.search.search import SearchReport, search_models
from textclf.spark import open_session

_POOLED = "pooled"
_SEARCH = f"""
[train]
keras_backend = "jax"
[search]
strategy = "grid"
folds = 4
epochs = 20
batch_size = {published.BATCH_SIZE}
architecture = "cnn"
beat_baseline = false
[search.space]
num_filters = [32, 64, 128]
kernel_size = [3, 5, 7]
embedding_dim = [50]
"""


@dataclass(frozen=True)
class Searched:
    """A search of one source.

    Attributes:
        accuracy: The chosen network's mean over the folds.
        last: What the tutorial measured: the highest mean over the folds after the last epoch, of five networks drawn.
        test: The winner's accuracy on the test rows.
        baseline: Logistic regression's mean over the folds.
    """

    accuracy: float
    standard_error: float
    last: float
    test: float
    chosen: str
    baseline: float

    @classmethod
    def of(cls, report: SearchReport, source: str, seed: int) -> "Searched":
        """What the search of a source came to.

        Args:
            seed: Of the five networks.

        Raises:
            RuntimeError: It found no winner.
        """
        outcome = report.outcomes[source]
        verdict, saved = outcome.verdict, outcome.saved
        if verdict is None or saved is None or saved.error is not None or verdict.baseline is None:
            raise RuntimeError(f"The search of {source} found no winner: {outcome.problem}")
        chosen = verdict.chosen
        drawn = dict(chosen.trial.candidate.values)
        after: dict[str, list[float]] = {}
        for trial, result in report.results:
            if trial.info.source == source and result.history:
                after.setdefault(trial.candidate.params, []).append(result.history["val_accuracy"][-1])
        return cls(
            chosen.accuracy,
            chosen.standard_error,
            max(mean(after[params]) for params in random.Random(seed).sample(sorted(after), published.DRAWN)),
            saved.accuracy,
            f"{drawn['num_filters']} filters of width {drawn['kernel_size']}",
            verdict.baseline.accuracy,
        )


def searches_section(material: Material, seeds: int) -> str:
    """Best cross-validation and test accuracy beside the published ones.

    Args:
        seeds: Searches of the pooled rows, which differ in the first weights and the order of rows alone.
    """
    with TemporaryDirectory(prefix="textclf-tutorial-") as folder:
        pooled = Path(folder, "pooled.jsonl")
        _write_pooled(material, pooled)
        pooled_source = f'[[sources]]\nname = "{_POOLED}"\npath = "{pooled}"\nformat = "jsonl"\nlabels = ["0", "1"]\n'
        runs = _searches(f"{folder}/pooled", pooled_source, [f"seed = [{seed}]" for seed in range(seeds)])
        (own,) = _searches(f"{folder}/own", uci_sources(material.folder), [""])
    return _page(own, [run[_POOLED] for run in runs])


def _write_pooled(material: Material, path: Path) -> None:
    """The rows of the three files as pandas' default quoting leaves them, in the tutorial's order."""
    with path.open("w", encoding="utf-8") as file:
        for name in ("yelp", "amazon", "imdb"):
            quoted = material.quoted[name]
            for text, label in zip(quoted.rows.texts.to_pylist(), quoted.rows.labels, strict=True):
                file.write(json.dumps({"text": text, "label": quoted.labels[label]}) + "\n")


def _searches(warehouse: str, sources: str, spaces: Sequence[str]) -> list[dict[str, Searched]]:
    """Searches of every source, one for each addition to the space."""
    pipelines = [parse_pipeline(f'warehouse = "{warehouse}"\n{sources}\n{_SEARCH}{space}') for space in spaces]
    first = pipelines[0]
    spark = open_session("textclf tutorial", {"spark.ui.showConsoleProgress": "false"})
    ingest_corpus(Workspace(spark, first), "tutorial", first.sources)
    build_vocabulary(Workspace(spark, first), first.sources)
    found = []
    for number, pipeline in enumerate(pipelines):
        report = search_models(Workspace(spark, pipeline), pipeline.sources, f"tutorial-{number}")
        found.append({source: Searched.of(report, source, number) for source in report.outcomes})
    spark.stop()
    return found


def _page(own: dict[str, Searched], pooled: list[Searched]) -> str:
    head = ("rows", "best cross-validation", "five, after 20 epochs", "test", "chosen", "logistic regression")
    rows: list[tuple[object, ...]] = [
        (f"published as {name}", "none", *map(four, figures), "not said", "none")
        for name, figures in published.SEARCH.items()
    ]
    best, last, test = (
        Spread(tuple(getattr(found, name) for found in pooled)) for name in ("accuracy", "last", "test")
    )
    error = four(mean(found.standard_error for found in pooled))
    often, times = Counter(found.chosen for found in pooled).most_common(1)[0]
    chosen = f"{often} in {times} of {len(pooled)}"
    rows.append((f"pooled, {len(pooled)} seeds", best, last, test, chosen, four(pooled[0].baseline)))
    rows += [
        (
            f"{name} alone",
            f"{four(found.accuracy)} ± {four(found.standard_error)}",
            four(found.last),
            four(found.test),
            found.chosen,
            four(found.baseline),
        )
        for name, found in own.items()
    ]
    return (
        "## The search\n\nNine candidates (32, 64 or 128 filters of width 3, 5 or 7; 50 dimensions), four folds, 20 "
        "epochs: 36 trials, run by `search_models` on the training rows of the tutorial's split. The tutorial meant to "
        "search each source and searched the pooled rows three times (below: *A search over the pooled rows*); here "
        "are both. The searches of the pooled rows differ in the first weights and the order of rows alone, as the "
        "published ones do; the error of a source alone is that of the mean over the folds. The tutorial draws "
        f"{published.DRAWN} of the nine candidates and measures them after the last epoch: *five, after 20 epochs* is "
        "the best of as many, drawn from these searches. The package measures all nine, after the epoch with the "
        "lowest loss on the held-out rows, and trains the winner again on all training rows with the median of those "
        "epochs; it is tested once.\n\n"
        + table(head, rows)
        + "\n"
        + _placed("cross-validation accuracy, beside five after 20 epochs", last, 0)
        + "Those deviations are of the seed alone. The folds, which the tutorial divides otherwise, weigh more: the "
        f"mean over them has a standard error of {error} in a pooled search.\n\n" + _placed("test accuracy", test, 1)
    )


def _placed(what: str, found: Spread, figure: int) -> str:
    """Where the published figures stand among the pooled searches."""
    known = [figures[figure] for figures in published.SEARCH.values()]
    said = "; ".join(f"{four(each)} {found.place(each)}" for each in known)
    return f"Published {what}: {said}.\n\n"
