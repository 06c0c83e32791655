"""Sources that had a model and have none now: their rows would all be rejects, in place of scores or beside them."""

from collections.abc import Iterable, Mapping, Sequence

from textclf.quality.audit import NO_MODEL, Figures
from textclf.runs.history import Publication
from textclf.storage.publish import Slice


def lost_models(found: Sequence[Figures], published: Iterable[Publication]) -> Mapping[Slice, str]:
    """The slices whose rows have no model though there are scores of them: each with the run that published these.

    Either the slice itself has scores, which its rejects would replace; or its source had some in the newest
    publication that knows it, on whatever day. Once rejects of a source are published, its later days are let pass.

    Args:
        published: The newest first.
    """
    without = {each.slice for each in found if each.slice.source is not None and each.rejected[NO_MODEL]}
    if not without:
        return {}
    of_slice: dict[Slice, str | None] = {}
    of_source: dict[str | None, str | None] = {}
    for publication in published:
        had_model: dict[str | None, bool] = {}
        for each in publication.slices:
            if each.scored or each.rejected[NO_MODEL]:  # else its rows say nothing of a model
                of_slice.setdefault(each.slice, publication.run_id if each.scored else None)
                had_model[each.slice.source] = had_model.get(each.slice.source, False) or bool(each.scored)
        for source, had in had_model.items():
            of_source.setdefault(source, publication.run_id if had else None)
    runs = {each: of_slice.get(each) or of_source.get(each.source) for each in without}
    return {each: run_id for each, run_id in runs.items() if run_id is not None}
