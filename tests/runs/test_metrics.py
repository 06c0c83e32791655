"""A run's metrics in Prometheus' format."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.receiver import Sent, receiver
from textclf.config import Metrics
from textclf.runs.metrics import Measured, emit
from textclf.runs.record import RunRecord

# A sample in the OpenMetrics grammar: name, labels with escapes, number.
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
    assert [of(job)[name] for job in ("nightly", "run") for name in names] == [0, 0, 0, 0]
    assert not set(names) & of("score_table").keys()


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[Sent]]]:
    """Yield the address of a Pushgateway, and the requests that it received."""
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
    # The samples of a metric family are contiguous, and each family has one TYPE line.
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
    emit(Metrics(pushgateway="http://127.0.0.1:9"), Measured.of(record, 0))  # nothing listens there

    assert capsys.readouterr().err.count("The metrics of this run were not exported") == 2


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the address of a server that reads a request and passes the connection to a function."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    answer(connection)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def sending(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def hanging(connection: socket.socket) -> None:
    connection.recv(1)  # returns when the client disconnects


def dripping(connection: socket.socket) -> None:
    """Send single bytes: each arrives before the timeout, but the response never ends."""
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
        connection.send(bytes([byte]))
        time.sleep(0.05)


NONSENSE: dict[str, Callable[[socket.socket], None]] = {
    "closes": sending(b""),
    "hangs": hanging,
    "drips": dripping,
    "no HTTP": sending(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "zeros": sending(bytes(100)),
    "an endless line": sending(b"HTTP/1.1 " + b"2" * 70_000),
    "endless headers": sending(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
    "a status that is none": sending(b"HTTP/1.1 zwei OK\r\n\r\n"),
    "a negative status": sending(b"HTTP/1.1 -1 OK\r\n\r\n"),
    "another version": sending(b"HTTP/9.9 200 OK\r\n\r\n"),
    "cut": sending(b"HTTP/1.1 2"),
    "500": sending(b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n"),
    "401": sending(b"HTTP/1.1 401 no\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"),
    "a redirect": sending(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"),
    "a redirect to a file": sending(b"HTTP/1.1 307 x\r\nLocation: file:///etc/passwd\r\n\r\n"),
    "a redirect to nowhere": sending(b"HTTP/1.1 301 x\r\nLocation: http://[\r\n\r\n"),
    "continues for ever": sending(b"HTTP/1.1 100 Continue\r\n\r\n" * 3),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_pushgateway_that_answers_nonsense_is_a_warning_in_time_without_its_password(
    record: RunRecord, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    begin = time.monotonic()
    with answering(NONSENSE[kind]) as place:
        emit(Metrics(pushgateway=f"http://ana:geheim@{place}", timeout=0.3), Measured.of(record, 0))
        spent = time.monotonic() - begin
    said = capsys.readouterr().err
    assert said.count("The metrics of this run were not exported") == 1, said
    assert place in said
    assert "geheim" not in said
    assert spent < 3


@given(answer=st.binary(max_size=200), status=st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_of_a_pushgateway_ends_a_run(record: RunRecord, answer: bytes, status: bytes) -> None:
    with answering(sending(status + answer)) as place:
        emit(Metrics(pushgateway=f"http://{place}", timeout=0.3), Measured.of(record, 0))


@pytest.mark.parametrize(
    "url",
    ["http://ana:geheim@[::1", "http://ana:geheim@127.0.0.1:port", "http://ana:geheim@" + "a" * 300, "http://\u2100"],
)
def test_an_address_that_is_none_is_a_warning(record: RunRecord, capsys: pytest.CaptureFixture[str], url: str) -> None:
    emit(Metrics(pushgateway=url, timeout=1), Measured.of(record, 0))
    said = capsys.readouterr().err
    assert said.count("The metrics of this run were not exported") == 1
    assert "geheim" not in said
