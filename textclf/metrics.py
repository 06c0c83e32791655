"""Figures of a run for Prometheus: a file for node_exporter's textfile collector, or a push to a Pushgateway.

The text is OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/) of gauges alone, which is also
Prometheus' text format 0.0.4, the one that those two read. Labels are names of jobs, steps and checks: neither texts
nor ids.
"""

import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.config import Metrics
from textclf.files import replace_file
from textclf.logs import say
from textclf.tables import RunRecord

_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ROWS = ("input_rows", "scored_rows", "rejected_rows")


@dataclass(frozen=True)
class Gauge:
    """A figure with its labels."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Measured:
    """The figures of one run."""

    job: str
    gauges: tuple[Gauge, ...]

    @classmethod
    def of(cls, record: RunRecord, code: int) -> "Measured":
        """What a record that has ended says in numbers."""
        return cls(record.job, tuple(_gauges(record, code)))

    def to_text(self) -> str:
        """The figures in OpenMetrics' text format."""
        lines: list[str] = []
        described = set()
        for gauge in sorted(self.gauges, key=lambda each: each.name):
            if gauge.name not in described:
                described.add(gauge.name)
                lines += [f"# TYPE {gauge.name} gauge", f"# HELP {gauge.name} {gauge.about}"]
            labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in gauge.labels.items())
            lines.append(f"{gauge.name}{{{labels}}} {float(gauge.value)!r}")
        return "\n".join([*lines, "# EOF"]) + "\n"


def emit(metrics: Metrics, measured: Measured) -> None:
    """Write and push the figures as the pipeline file asks; what fails is said and fails no run."""
    text = measured.to_text()
    try:
        if metrics.file is not None:
            # Not str.format: other braces of a path stay.
            replace_file(Path(metrics.file.replace("{job}", measured.job)), text)
        if metrics.pushgateway is not None:
            push(metrics.pushgateway, measured.job, text, metrics.timeout)
    except OSError as error:  # urllib's errors are of this kind, too
        say(f"The figures of this run went nowhere: {error}; see [metrics] in the pipeline file", "warning")


def push(gateway: str, job: str, text: str, timeout: float) -> None:
    """Replace the figures of a job at a Pushgateway.

    Raises:
        OSError: It does not answer, or not well.
    """
    url = f"{gateway.rstrip('/')}/metrics/job/{urllib.parse.quote(f'textclf_{job}', safe='')}"
    request = urllib.request.Request(url, text.encode(), {"Content-Type": _TYPE}, method="PUT")
    with urllib.request.urlopen(request, timeout=timeout):
        pass


def _gauges(record: RunRecord, code: int) -> Iterator[Gauge]:
    job = {"job_name": record.job}  # "job" is the label that Prometheus itself gives
    ended = record.ended_at or record.started_at
    yield Gauge("textclf_run_succeeded", "1 where the last run ended well, else 0.", code == 0, job)
    yield Gauge("textclf_run_exit_code", "Exit code of the last run.", code, job)
    yield Gauge("textclf_run_ended_timestamp_seconds", "When the last run ended.", ended.timestamp(), job)
    yield Gauge("textclf_run_duration_seconds", "Wall time of the last run.", record.seconds or 0.0, job)
    for name in _ROWS:
        rows = getattr(record, name)
        if rows is not None:
            yield Gauge(f"textclf_run_{name}", f"{name.replace('_', ' ').capitalize()} of the last run.", rows, job)
    for step in record.details.get("steps", []):
        if step.get("seconds") is not None:
            labels = {**job, "step": str(step["step"])}
            yield Gauge("textclf_step_duration_seconds", "Wall time of a step.", step["seconds"], labels)
    for name, check in _checks(record.gate):
        labels = {**job, "check": name}
        yield Gauge("textclf_gate_value", "Highest value of a check of the gate.", check["highest"], labels)
        yield Gauge("textclf_gate_failed", "Slices that failed a check of the gate.", check["failed"], labels)


def _checks(gate: Mapping[str, Any] | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, check in (gate or {}).get("checks", {}).items():
        if isinstance(check, dict) and {"highest", "failed"} <= check.keys():
            yield name, check


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
