"""Trials and searches of a source without encoded rows, for tests that supply the results."""

from textclf.config import SearchPlan, Space, parse_pipeline
from textclf.models import architecture
from textclf.search.encoded_source import Info
from textclf.search.source_search import SourceSearch, parsed_candidates
from textclf.search.space import Candidate
from textclf.search.trial import FoldPlan, Trial
from textclf.training.settings import FitSettings

INFO = Info("s", "digest", ["0", "1"], 100, 20, {"keras": 50, "words": 60}, 20)
PIPELINE = parse_pipeline('warehouse = "w"\n[[sources]]\nname = "s"\npath = "p"\nformat = "jsonl"\n')
SPACE: Space = {"num_filters": [1, 2, 3, 4, 5, 6, 7, 8, 9]}


def trial(name: str, fold: int = 0, **values: int) -> Trial:
    """Return a trial on a fold of ``INFO``; ``values`` are the sampled hyperparameters."""
    made = architecture(name)
    settings = FitSettings(epochs=5, batch_size=10, seed=1)
    candidate = Candidate(name, tuple(values.items()))
    return Trial(INFO, candidate, made.parse(values), settings, FoldPlan(4, 1), None, fold, "jax")


def search_of(plan: SearchPlan, info: Info = INFO) -> SourceSearch:
    """Return a search of the plan's candidates that has not started."""
    return SourceSearch(info, plan, FoldPlan(plan.folds, 1), None, "jax", parsed_candidates(PIPELINE, plan))
