"""The tutorial's search, on each source's own rows and on the pooled ones, run by search_models."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from textclf.config import parse_pipeline
from textclf.corpus.ingest import ingest_corpus
from textclf.search.search import Outcome, search_models
from textclf.session import open_session
from textclf.tables import Warehouse
from textclf.text.build import build_vocabulary
from textclf.tutorial import published
from textclf.tutorial.material import Material, uci_sources
from textclf.tutorial.measure import four, table

_POOLED = "pooled"
_SEEDS = (1000, 1001, 1002)  # of split, folds and weights; the tutorial's split is the first
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
    """A search of one source: the chosen network's mean accuracy over the folds, its error, and on the test rows."""

    accuracy: float
    standard_error: float
    test: float
    values: dict[str, object]
    baseline: float

    @classmethod
    def of(cls, outcome: Outcome) -> "Searched":
        """What an outcome came to.

        Raises:
            RuntimeError: The search found no winner.
        """
        verdict, saved = outcome.verdict, outcome.saved
        if verdict is None or saved is None or saved.error is not None or verdict.baseline is None:
            raise RuntimeError(f"The search of {outcome.source} found no winner: {outcome.problem}")
        chosen = verdict.chosen
        drawn = dict(chosen.trial.choice.values)
        values: dict[str, object] = {key: drawn[key] for key in ("num_filters", "kernel_size")}
        return cls(chosen.accuracy, chosen.standard_error, saved.accuracy, values, verdict.baseline.accuracy)


def searches_section(material: Material, seeds: int) -> str:
    """Best cross-validation and test accuracy beside the published ones.

    Args:
        seeds: Not used: a search has its own, see the page.
    """
    del seeds
    with TemporaryDirectory(prefix="textclf-tutorial-") as folder:
        pooled = Path(folder, "pooled.jsonl")
        _write_pooled(material, pooled)
        pooled_source = f'[[sources]]\nname = "{_POOLED}"\npath = "{pooled}"\nformat = "jsonl"\nlabels = ["0", "1"]\n'
        runs = [_search(f"{folder}/{seed}", pooled_source, seed) for seed in _SEEDS]
        own = _search(f"{folder}/own", uci_sources(material.folder), _SEEDS[0])
    return _page(own, [run[_POOLED] for run in runs])


def _write_pooled(material: Material, path: Path) -> None:
    """The rows of the three files as pandas' default quoting leaves them, in the tutorial's order."""
    with path.open("w", encoding="utf-8") as file:
        for name in ("yelp", "amazon", "imdb"):
            quoted = material.quoted[name]
            for text, label in zip(quoted.rows.texts.to_pylist(), quoted.rows.labels, strict=True):
                file.write(json.dumps({"text": text, "label": quoted.labels[label]}) + "\n")


def _search(warehouse: str, sources: str, seed: int) -> dict[str, Searched]:
    """The search of every source, in a warehouse of its own."""
    pipeline = parse_pipeline(f'warehouse = "{warehouse}"\n{sources}\n[split]\nseed = {seed}\n{_SEARCH}')
    place = Warehouse.of(pipeline)
    spark = open_session("textclf tutorial", {"spark.ui.showConsoleProgress": "false"})
    ingest_corpus(spark, place, "tutorial", pipeline.sources)
    build_vocabulary(spark, place, pipeline, pipeline.sources)
    report = search_models(spark, place, pipeline, pipeline.sources, "tutorial")
    spark.stop()
    return {name: Searched.of(outcome) for name, outcome in report.outcomes.items()}


def _row(name: str, found: Searched) -> tuple[object, ...]:
    chosen = f"{found.values['num_filters']} filters of width {found.values['kernel_size']}"
    return (
        name,
        f"{four(found.accuracy)} ± {four(found.standard_error)}",
        four(found.test),
        chosen,
        four(found.baseline),
    )


def _page(own: dict[str, Searched], pooled: list[Searched]) -> str:
    head = ("rows", "best cross-validation", "test", "chosen", "logistic regression, cross-validation")
    rows: list[tuple[object, ...]] = [
        (f"published as {name}", *map(four, figures), "not said", "none") for name, figures in published.SEARCH.items()
    ]
    rows += [
        _row(f"pooled, seed {seed}{', the split of the tutorial' if seed == _SEEDS[0] else ''}", found)
        for seed, found in zip(_SEEDS, pooled, strict=True)
    ]
    rows += [_row(f"{name} alone", found) for name, found in own.items()]
    return (
        "## The search\n\nNine candidates (32, 64 or 128 filters of width 3, 5 or 7; 50 dimensions), four folds, 20 "
        "epochs: 36 trials, run by `search_models`. The tutorial meant to search each source and searched the pooled "
        "rows three times (below: *A search over the pooled rows*); here are both. The error is that of the mean over "
        "the folds. The winner is trained again on all training rows with the median best epoch of its folds and "
        "tested once. The seed is that of the split, the folds and the first weights.\n\n"
        + table(head, rows)
        + f"\n{_placed('cross-validation', [found.accuracy for found in pooled], 0)} "
        f"{_placed('test', [found.test for found in pooled], 1)}\n"
    )


def _placed(what: str, found: list[float], figure: int) -> str:
    """Where the pooled searches stand beside the published figures."""
    known = [figures[figure] for figures in published.SEARCH.values()]
    return (
        f"Pooled {what} accuracy: published {four(min(known))} to {four(max(known))}, measured {four(min(found))} to "
        f"{four(max(found))}."
    )
