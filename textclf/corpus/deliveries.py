"""Decide which deliveries are published. A delivery is all that a source's files hold at the time of a run."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from textclf.config import Ingest, Source
from textclf.corpus.counts import Counts
from textclf.errors import InputError


def why_refused(counts: Counts, max_rejects: float) -> str | None:
    """Return why a delivery is refused, or None if it is published.

    Args:
        counts: Counts of the delivery.
        max_rejects: Largest share of rejected records that is still published, from 0 to 1.

    Example:
        >>> why_refused(Counts(4, 2, 2, {"no_match": 2}), 0.5), why_refused(Counts(4, 1, 3, {"no_match": 3}), 0.5)
        (None, 'has 3 of 4 records rejected')
        >>> why_refused(Counts(4, 0, 4, {"no_match": 4}), 1.0), why_refused(Counts(0, 0, 0, {}), 1.0)
        ('has 4 of 4 records rejected', 'holds no records')
    """
    if counts.records == 0:
        return "holds no records"
    if counts.accepted == 0 or counts.rejected / counts.records > max_rejects:
        return f"has {counts.rejected:,} of {counts.records:,} records rejected"
    return None


def large_fall(counts: Counts, warn_below: float) -> str | None:
    """Return a warning if a source lost unusually many records since the delivery before, otherwise None.

    Args:
        counts: Counts of the delivery, with the number of records before it.
        warn_below: Share of the records before. There is a warning if fewer are accepted.
    """
    before = counts.before or 0
    if counts.accepted >= warn_below * before:
        return None
    return f"{counts.accepted:,} records are accepted; the delivery before had {before:,}"


@dataclass(frozen=True)
class Refused:
    """A delivery that was not published.

    Attributes:
        error: Why it was refused, and what to do.
        counts: Counts of the delivery; None if it could not be read.
    """

    error: InputError
    counts: Counts | None = None


class DeliveryError(InputError):
    """Some deliveries were refused; those of all other sources of the run are published.

    Args:
        refused: Refused deliveries by source name.
        published: Counts of the published deliveries by source name.

    Example:
        >>> error = DeliveryError({"reviews": Refused(InputError("Source reviews holds no records."))}, {})
        >>> print(error, sorted(error.refused), error.exit_code)
        Source reviews holds no records. ['reviews'] 3
    """

    def __init__(self, refused: Mapping[str, Refused], published: Mapping[str, Counts]) -> None:
        self.refused, self.published = refused, published
        errors = list({id(each.error): each.error for each in refused.values()}.values())
        if len(errors) == 1:
            (one,) = errors
            super().__init__(one.problem, received=one.received, expected=one.expected, fix=one.fix)
        else:
            super().__init__("\n".join(map(str, errors)))
            self.problem = " ".join(one.problem for one in errors)

    @classmethod
    def of_unread(cls, errors: Mapping[str, InputError]) -> "DeliveryError":
        """Make the error for sources that cannot be read, where nothing is published.

        Args:
            errors: Error of each source, by its name.

        Returns:
            Error, to be raised.
        """
        return cls({name: Refused(error) for name, error in errors.items()}, {})


def refused_deliveries(
    sources: Iterable[Source], counts: Mapping[str, Counts], rule: Ingest, accept: Collection[str]
) -> dict[str, Refused]:
    """Find the deliveries that could be read but are refused.

    Args:
        sources: Sources of the run.
        counts: Counts of the sources that could be read, by source name.
        rule: Limits beyond which a delivery is refused.
        accept: Names of sources whose delivery is published in any case.

    Returns:
        Refused deliveries by source name.
    """
    found = {}
    for source in sources:
        count, limit = counts.get(source.name), rule.limit(source)
        if count is None or source.name in accept:
            continue
        why = why_refused(count, limit)
        if why is not None:
            found[source.name] = Refused(_error(source, count, why, limit), count)
    return found


def _error(source: Source, counts: Counts, why: str, limit: float) -> InputError:
    has = f"the corpus keeps its {counts.before:,} records" if counts.before else "nothing of it is published"
    anyway = f"ingest_corpus --config FILE --accept {source.name} --reason TEXT"
    if counts.records == 0:
        received, fix = f"nothing but empty files at {source.path}", f"check the path; to empty the source: {anyway}"
    else:
        reasons = sorted(counts.reasons.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{name} {count:,}" for name, count in reasons)
        received = f"{counts.accepted:,} records accepted; rejected: {shown}"
        query = f"SELECT file, position, reason, raw FROM corpus_refused WHERE source = '{source.name}'"
        fix = (
            f'look at the rejects: textclf query "{query}" --config FILE; '
            f"fix the delivery or the source's section, or publish the delivery as it is: {anyway}"
        )
    return InputError(
        f"Source {source.name} {why}: this delivery is refused, {has}.",
        received=received,
        expected=f"at least one accepted record, and at most a share of {limit:g} rejected (max_rejects)",
        fix=fix,
    )
