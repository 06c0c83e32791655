"""Sources that had a model and have none now: all their rows would become rejects, instead of or beside scores."""

from collections.abc import Iterable, Mapping, Sequence

from textclf.quality.audit import NO_MODEL, Figures
from textclf.runs.history import Publication
from textclf.storage.publish import Slice


def lost_models(found: Sequence[Figures], published: Iterable[Publication]) -> Mapping[Slice, str]:
    """Find slices whose rows have lost their model, each with the run that published their scores.

    A slice is found if it has published scores, which its rejects would replace, or if its source had scores in the
    newest publication that contains it, on whatever day. Once rejects of a source are published, its later days pass.

    Args:
        found: Figures of the slices of this run.
        published: Publications, newest first.
    """
    without = {each.slice for each in found if each.slice.source is not None and each.rejected[NO_MODEL]}
    if not without:
        return {}
    of_slice: dict[Slice, str | None] = {}
    of_source: dict[str | None, str | None] = {}
    for publication in published:
        had_model: dict[str | None, bool] = {}
        for each in publication.slices:
            if each.scored or each.rejected[NO_MODEL]:  # else its rows do not tell whether it had a model
                of_slice.setdefault(each.slice, publication.run_id if each.scored else None)
                had_model[each.slice.source] = had_model.get(each.slice.source, False) or bool(each.scored)
        for source, had in had_model.items():
            of_source.setdefault(source, publication.run_id if had else None)
    runs = {each: of_slice.get(each) or of_source.get(each.source) for each in without}
    return {each: run_id for each, run_id in runs.items() if run_id is not None}
