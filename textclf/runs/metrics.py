"""Export a run's metrics to Prometheus: as a file for node_exporter's textfile collector, or to a Pushgateway.

The file is OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/) with gauges only, which is also
valid in Prometheus' text format 0.0.4 that the collector reads. Labels are names of jobs, steps and checks, never
texts or ids.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.common.atomic_files import replace_file
from textclf.common.credentials import userinfo
from textclf.common.logs import say
from textclf.common.secrets import first_line
from textclf.config import Metrics
from textclf.runs.record import RunRecord

if TYPE_CHECKING:  # at run time, imported only if metrics are requested: every job imports this module
    from prometheus_client import CollectorRegistry

_ROWS = ("input_rows", "scored_rows", "rejected_rows")
_READERS = ("ingest_corpus", "nightly", "run")


@dataclass(frozen=True)
class Gauge:
    """A metric with its labels."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Measured:
    """The metrics of one run."""

    job: str
    gauges: tuple[Gauge, ...]

    @classmethod
    def of(cls, record: RunRecord, code: int) -> "Measured":
        """Return the metrics of a record that has ended."""
        return cls(record.job, tuple(_gauges(record, code)))

    def registry(self) -> "CollectorRegistry":
        """Return the metrics as a registry of Prometheus' client, with families sorted by name."""
        from prometheus_client import CollectorRegistry
        from prometheus_client import Gauge as Family

        made, families = CollectorRegistry(), dict[str, Family]()
        for gauge in sorted(self.gauges, key=lambda each: each.name):
            if gauge.name not in families:
                families[gauge.name] = Family(gauge.name, gauge.about, list(gauge.labels), registry=made)
            families[gauge.name].labels(**gauge.labels).set(gauge.value)
        return made


def emit(metrics: Metrics, measured: Measured) -> None:
    """Write and push the metrics as the pipeline file says; a failure is logged and does not fail the run."""
    if metrics.file is None and metrics.pushgateway is None:
        return
    from prometheus_client.openmetrics.exposition import generate_latest

    registry = measured.registry()
    if metrics.file is not None:
        # Not str.format: a path may contain other braces.
        path = Path(metrics.file.replace("{job}", measured.job))
        try:
            replace_file(path, generate_latest(registry))  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:  # ValueError: U+0000 in the path
            _warn("file", path, error)
    if metrics.pushgateway is not None:
        try:
            _pushed_in_time(metrics.pushgateway, measured.job, registry, metrics.timeout)
        except Exception as error:  # noqa: BLE001 - whatever the server answers, the outcome of the run stands
            _warn("pushgateway", metrics.pushgateway, error)


def _warn(key: str, place: object, error: Exception) -> None:
    said = f"{type(error).__name__}: {first_line(error)}"
    say(f"The metrics of this run were not exported: {key} = {place} under [metrics]: {said}", "warning")


def _pushed_in_time(url: str, job: str, registry: "CollectorRegistry", timeout: float) -> None:
    """Push within ``timeout`` seconds in total: a server that sends a byte now and then would never end.

    Raises:
        Exception: The push failed or took too long.
    """
    raised: list[Exception] = []

    def push() -> None:
        try:
            _push(url, job, registry, timeout)
        except Exception as error:  # noqa: BLE001 - raised again in the waiting thread
            raised.append(error)

    thread = threading.Thread(target=push, name="pushgateway", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise TimeoutError(f"no complete answer within {timeout:g} seconds")
    for error in raised:
        raise error


def _push(url: str, job: str, registry: "CollectorRegistry", timeout: float) -> None:
    """Push the metrics; user and password of the URL are sent in a header, where a server expects them."""
    from prometheus_client import push_to_gateway
    from prometheus_client.exposition import basic_auth_handler, default_handler

    place, user, password = userinfo(url)

    def handler(url: str, method: str, timeout: float | None, headers: Any, data: bytes) -> Any:
        if user or password:
            return basic_auth_handler(url, method, timeout, headers, data, user, password)
        return default_handler(url, method, timeout, headers, data)

    push_to_gateway(place, job=f"textclf_{job}", registry=registry, timeout=timeout, handler=handler)


def _gauges(record: RunRecord, code: int) -> Iterator[Gauge]:
    job = {"job_name": record.job}  # Prometheus sets the label "job" itself
    ended = record.ended_at or record.started_at
    yield Gauge("textclf_run_succeeded", "1 if the last run succeeded, else 0.", code == 0, job)
    yield Gauge("textclf_run_exit_code", "Exit code of the last run.", code, job)
    yield Gauge("textclf_run_ended_timestamp_seconds", "When the last run ended.", ended.timestamp(), job)
    yield Gauge("textclf_run_duration_seconds", "Wall time of the last run.", record.seconds or 0.0, job)
    for name in _ROWS:
        rows = getattr(record, name)
        if rows is not None:
            yield Gauge(f"textclf_run_{name}", f"{name.replace('_', ' ').capitalize()} of the last run.", rows, job)
    if record.job in _READERS:
        refused, fallen = (len(record.details.get(name, ())) for name in ("refused", "fallen"))
        yield Gauge("textclf_run_refused_sources", "Sources whose delivery the last run refused.", refused, job)
        yield Gauge("textclf_run_fallen_sources", "Sources that lost many records in the last run.", fallen, job)
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
