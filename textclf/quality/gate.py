"""The gate: pure functions that decide from the figures of slices whether they may be published.

The population stability index of two distributions p and q is the sum of (p - q) ln(p / q) over their bins (Siddiqi,
"Credit Risk Scorecards", 2006, where 0.25 is a major shift). It measures the size of a shift, not whether the shift may
be chance; so does the Kolmogorov-Smirnov distance. Two-sample tests measure chance, but call every shift significant
when there are many rows. Therefore a distance fails only if it is above its limit and its test finds it significant.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textclf.config import Gate
from textclf.errors import GateError
from textclf.quality.audit import NO_MODEL, WITHOUT_MODEL, Figures
from textclf.storage.publish import Slice

_PSEUDO = 0.5  # added to each bin, so that an empty bin gives a finite index
_KEPT = 20  # failed checks that a run record keeps in full
_KEPT_SLICES = 100  # slices whose values a run record keeps
LOST_MODEL = "lost_model"
"""Name of the check that a source with published scores still has a model."""
MIN_TEST_ROWS = 100  # fewer test rows say little about what to expect


@dataclass(frozen=True)
class Baseline:
    """Distributions to compare with: number of rows by label and by bin of the score."""

    labels: Mapping[str, int]
    scores: Sequence[int]

    @property
    def rows(self) -> int:
        """Number of rows behind the distributions."""
        return sum(self.scores)

    @classmethod
    def of(cls, published: Iterable[Figures]) -> "Baseline":
        """Combine the figures of several slices into one baseline."""
        labels: Counter[str] = Counter()
        scores: list[int] = []
        for each in published:
            labels += each.labels
            scores = [a + b for a, b in zip(scores or [0] * len(each.scores), each.scores, strict=True)]
        return cls(labels, scores)


@dataclass(frozen=True)
class Check:
    """Result of one check of one slice, or of the whole run.

    Attributes:
        name: Name of the check.
        slice: Slice as ``ds/source``; None for the whole run.
        value: Value that is compared with the limit.
        limit: Highest value that passes; None if the value is only recorded.
        passed: Whether the check passed.
        received: What was found, for messages.
    """

    name: str
    slice: str | None
    value: float
    limit: float | None
    passed: bool
    received: str

    @property
    def expected(self) -> str:
        """What would have passed, for messages."""
        return "no limit" if self.limit is None else f"at most {self.limit:g}"

    @property
    def title(self) -> str:
        """The name of the check in messages."""
        return f"{self.name} of {self.slice}" if self.slice else self.name


@dataclass
class Report:
    """All checks of a run."""

    checks: list[Check] = field(default_factory=list)

    @property
    def failed(self) -> list[Check]:
        """Checks that failed, each of which forbids publishing."""
        return [check for check in self.checks if not check.passed]

    def to_json(self) -> dict[str, Any]:
        """Summarise the checks for the run record.

        Each check has its numbers of slices and of failures, its limit and its highest value. The first failures are
        kept in full. ``drift`` has the values of each slice by check, with failed slices first.
        """
        summary: dict[str, dict[str, Any]] = {}
        for check in self.checks:
            entry = summary.setdefault(check.name, {"judged": 0, "failed": 0, "limit": check.limit, "highest": 0.0})
            entry["judged"] += 1
            entry["failed"] += not check.passed
            entry["highest"] = max(entry["highest"], round(check.value, 6))
        failed = [
            {"check": check.name, "slice": check.slice, "received": check.received, "expected": check.expected}
            for check in self.failed[:_KEPT]
        ]
        return {
            "verdict": "refused" if failed else "passed",
            "checks": summary,
            "failed": failed,
            "drift": self._by_slice()[:_KEPT_SLICES],
        }

    def _by_slice(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for check in self.checks:
            if check.slice is not None:
                entry = found.setdefault(check.slice, {"slice": check.slice, "failed": [], "values": {}})
                entry["values"][check.name] = round(check.value, 6)
                entry["failed"] += [] if check.passed else [check.name]
        return sorted(found.values(), key=lambda entry: not entry["failed"])


def judge(
    found: Sequence[Figures],
    gate: Gate,
    *,
    input_rows: int,
    repeated: int | None,
    published: Mapping[str | None, Mapping[Any, Baseline]],
    tested: Mapping[str | None, Baseline],
    lost: Mapping[Slice, str] | None = None,
) -> Report:
    """Compare the figures of a run's slices with what the pipeline file allows.

    Args:
        found: Figures of each slice.
        gate: Limits of the pipeline file.
        input_rows: Number of rows that were read.
        repeated: Number of ids that occur more than once in a slice; None if they were not counted.
        published: By source and day, the distributions that were published before that day.
        tested: By source, the distributions of its model's scores for the model's own test rows.
        lost: Result of ``lost_models``: slices without a model, with the run that published scores of their source.
    """
    report = Report()
    rows = sum(each.rows for each in found)
    counted = f"{input_rows} rows read, {rows} scored or rejected"
    report.checks.append(Check("counts", None, abs(input_rows - rows), 0, input_rows == rows, counted))
    if repeated is not None:
        report.checks.append(Check("unique_ids", None, repeated, 0, repeated == 0, f"{repeated} repeated ids"))
    rejected = sum(sum(each.rejected.values()) for each in found)
    report.checks.append(_share("rejects", None, rejected, rows, gate.max_rejects, gate, "rejected"))
    for each in found:
        report.checks += _of_slice(each, gate)
        report.checks += _lost(each, lost or {})
        source, ds = each.slice.source, each.slice.ds
        before = published.get(source, {}).get(ds)
        if before is not None and min(before.rows, each.scored) >= gate.min_rows:
            report.checks += _drift(each, before, gate, "published", gate.max_psi, gate.max_ks)
        test = tested.get(source)
        if test is not None and each.scored >= gate.min_rows and test.rows >= MIN_TEST_ROWS:
            report.checks += _drift(each, test, gate, "test rows", gate.max_psi_test, gate.max_ks_test)
    return report


def refusal(report: Report, run_id: str, staging: str) -> GateError:
    """Make the error for failed checks, which says where the rows are and how to publish them anyway."""
    shown = report.failed[:_KEPT]
    more = len(report.failed) - len(shown)
    lost = any(check.name == LOST_MODEL for check in report.failed)
    restore = "restore the source's model with train_model or textclf models promote, and score again; or "
    return GateError(
        "The audit refused the scored rows; nothing was published.",
        received="; ".join(f"{check.title}: {check.received}" for check in shown) + (f"; {more} more" if more else ""),
        expected="; ".join(f"{check.title}: {check.expected}" for check in shown),
        fix=f"{restore if lost else ''}look at the rows in {staging}; to publish them as they are: "
        f"score_table --config FILE "
        f"--publish-anyway {run_id} --reason TEXT, with --output if this run had it; to allow more in every run, "
        "change the limit under [gate]",
    )


def name_of(figures: Figures) -> str:
    """Return the name of a slice in messages."""
    return (
        f"{figures.slice.ds or 'no date'}/{figures.slice.source if figures.slice.source is not None else 'no source'}"
    )


def _of_slice(each: Figures, gate: Gate) -> list[Check]:
    own = sum(count for reason, count in each.rejected.items() if reason not in WITHOUT_MODEL)
    name = name_of(each)
    checks = []
    if each.scored + own:
        checks.append(_share("rejects", name, own, each.scored + own, gate.max_rejects, gate, "rejected"))
    if each.scored:
        unknown = "without any known word"
        checks.append(_share("unknown", name, each.unknown, each.scored, gate.max_unknown, gate, unknown))
    return checks


def _lost(each: Figures, lost: Mapping[Slice, str]) -> list[Check]:
    if each.slice not in lost:
        return []
    rows = each.rejected[NO_MODEL]
    received = f"{rows} rows without a model; run {lost[each.slice]} published scores of this source"
    return [Check(LOST_MODEL, name_of(each), rows, 0, passed=False, received=received)]


def _share(name: str, place: str | None, part: int, whole: int, limit: float, gate: Gate, what: str) -> Check:
    share = part / whole if whole else 0.0
    passed = share <= limit or _chance_of_share(part, whole, limit) >= gate.significance
    return Check(name, place, share, limit, passed, f"{part} of {whole} rows {what} ({share:.4g})")


def _drift(
    each: Figures, before: Baseline, gate: Gate, against: str, max_psi: float | None, max_ks: float | None
) -> list[Check]:
    labels = sorted({*each.labels, *before.labels})
    pairs = {
        "labels": ([each.labels[name] for name in labels], [before.labels.get(name, 0) for name in labels]),
        "scores": (list(each.scores), list(before.scores)),
    }
    checks = []
    for what, (now, then) in pairs.items():
        value, chance = stability_index(now, then), chance_of_difference(now, then)
        passed = max_psi is None or value <= max_psi or chance >= gate.significance
        received = f"population stability index {value:.4g} (p = {chance:.2g}) against {before.rows} rows"
        checks.append(Check(f"psi of {what}, {against}", name_of(each), value, max_psi, passed, received))
    distance = ks_distance(*pairs["scores"])
    chance = chance_of_distance(distance, each.scored, before.rows)
    passed = max_ks is None or distance <= max_ks or chance >= gate.significance
    received = f"Kolmogorov-Smirnov distance {distance:.4g} (p = {chance:.2g}) against {before.rows} rows"
    checks.append(Check(f"ks of scores, {against}", name_of(each), distance, max_ks, passed, received))
    return checks


def stability_index(now: Sequence[int], then: Sequence[int]) -> float:
    """Compute the population stability index of two histograms over the same bins, ignoring bins empty in both.

    Example:
        >>> round(stability_index([50, 50, 0], [80, 20, 0]), 2)
        0.41
    """
    bins = [(a + _PSEUDO, b + _PSEUDO) for a, b in zip(now, then, strict=True) if a or b]
    sums = sum(a for a, _ in bins), sum(b for _, b in bins)
    return sum((a / sums[0] - b / sums[1]) * math.log(a / sums[0] / (b / sums[1])) for a, b in bins)


def ks_distance(now: Sequence[int], then: Sequence[int]) -> float:
    """Compute the largest distance between the cumulative shares of two histograms over the same ordered bins."""
    sums, a, b, largest = (sum(now), sum(then)), 0, 0, 0.0
    for one, other in zip(now, then, strict=True):
        a, b = a + one, b + other
        largest = max(largest, abs(a / sums[0] - b / sums[1]))
    return largest


def chance_of_difference(now: Sequence[int], then: Sequence[int]) -> float:
    """Compute the p-value of the chi-square test that two histograms are samples of one distribution."""
    from scipy.stats import chi2_contingency

    table = [[a, b] for a, b in zip(now, then, strict=True) if a or b]
    return float(chi2_contingency(table, correction=False).pvalue) if len(table) > 1 else 1.0


def chance_of_distance(distance: float, now: int, then: int) -> float:
    """Compute the p-value of the two-sample Kolmogorov-Smirnov test, by its limit for many rows.

    With binned scores the test is conservative.
    """
    from scipy.stats import kstwobign

    return float(kstwobign.sf(distance * math.sqrt(now * then / (now + then))))


def _chance_of_share(part: int, whole: int, limit: float) -> float:
    """Compute the probability of at least ``part`` hits in ``whole`` rows, each hit with probability ``limit``."""
    from scipy.stats import binom

    return float(binom.sf(part - 1, whole, limit))
