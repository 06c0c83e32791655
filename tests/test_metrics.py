"""A run's figures as Prometheus reads them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.receiver import Sent, receiver
from textclf.config import Metrics
from textclf.metrics import Measured, emit
from textclf.tables import RunRecord

# A sample of OpenMetrics' grammar: name, labels with escapes, number.
SAMPLE = re.compile(r'^[a-z_]+\{([a-z_]+="(\\\\|\\"|\\n|[^"\\\n])*",?)+\} -?[0-9.e+]+$')


@pytest.fixture
def record() -> RunRecord:
    made = RunRecord("nightly", input_rows=11, scored_rows=10, rejected_rows=1)
    check = {"judged": 2, "failed": 1, "limit": 0.25, "highest": 1.5}
    made.gate = {"verdict": "refused", "checks": {'psi of "labels"\\': check}}
    made.details["steps"] = [{"step": "score", "state": "failed", "seconds": 2.5}, {"step": "report"}]
    made.end("refused", "The audit refused the scored rows; nothing was published.")
    return made


def test_refused_deliveries_and_large_falls_are_counted_and_fall_back_to_0() -> None:
    def of(job: str, **details: object) -> dict[str, float]:
        made = RunRecord(job, details=details)
        made.end("failed")
        return {gauge.name: gauge.value for gauge in Measured.of(made, 3).gauges}

    names = ("textclf_run_refused_sources", "textclf_run_fallen_sources")
    found = of("ingest_corpus", refused={"a": {}, "b": {}}, fallen=["c"])
    assert [found[name] for name in names] == [2, 1]
    assert [of("nightly")[name] for name in names] == [0, 0]
    assert not set(names) & of("score_table").keys()


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[Sent]]]:
    """A Pushgateway's address, and what it was sent."""
    with receiver() as (url, sent):
        yield f"{url}/", sent


def test_the_file_has_the_figures_and_nothing_of_a_text(record: RunRecord, tmp_path: Path) -> None:
    emit(Metrics(file=str(tmp_path / "textclf-{job}.prom")), Measured.of(record, 4))

    (path,) = tmp_path.iterdir()
    assert path.name == "textclf-nightly.prom"
    text = path.read_text()
    *lines, end = text.splitlines()
    assert end == "# EOF"
    samples = [line for line in lines if not line.startswith("#")]
    assert [line for line in samples if not SAMPLE.match(line)] == []
    assert 'textclf_run_exit_code{job_name="nightly"} 4.0' in samples
    assert 'textclf_run_succeeded{job_name="nightly"} 0.0' in samples
    assert 'textclf_run_rejected_rows{job_name="nightly"} 1.0' in samples
    assert 'textclf_step_duration_seconds{job_name="nightly",step="score"} 2.5' in samples
    assert 'textclf_gate_value{check="psi of \\"labels\\"\\\\",job_name="nightly"} 1.5' in samples
    # A family stands together, its type once and first.
    names = [line.partition("{")[0] for line in samples]
    assert len([line for line in lines if line.startswith("# TYPE")]) == len(set(names))
    assert names == sorted(names)


def test_figures_are_pushed(record: RunRecord, gateway: tuple[str, list[Sent]]) -> None:
    url, sent = gateway
    measured = Measured.of(record, 0)

    emit(Metrics(pushgateway=url), measured)

    body = generate_latest(measured.registry())
    assert sent == [("/metrics/job/textclf_nightly", "text/plain; version=0.0.4; charset=utf-8", body)]
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    (exit_code,) = families["textclf_run_exit_code"].samples
    assert (exit_code.labels, exit_code.value) == ({"job_name": "nightly"}, 0.0)
    assert len(families) == len({gauge.name for gauge in measured.gauges})


def test_a_pushgateway_gets_user_and_password_in_a_header(record: RunRecord) -> None:
    with receiver() as (url, sent):
        emit(Metrics(pushgateway=url.replace("http://", "http://ana:pa%2Fss@")), Measured.of(record, 0))
    assert len(sent) == 1
    assert sent.credentials == {"Basic YW5hOnBhL3Nz"}


def test_a_run_does_not_fail_of_its_figures(
    record: RunRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file").touch()

    emit(Metrics(file=str(tmp_path / "a file" / "x.prom")), Measured.of(record, 0))
    emit(Metrics(pushgateway="http://127.0.0.1:9"), Measured.of(record, 0))  # where nobody listens

    assert capsys.readouterr().err.count("The figures of this run went nowhere") == 2
