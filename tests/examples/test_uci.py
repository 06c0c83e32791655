"""Fetching is all or nothing, as tested with a server on loopback."""

import http.server
import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from textclf.errors import InputError
from textclf.examples.uci import FILES, complete, fetch

Serve = Callable[[Callable[[http.server.BaseHTTPRequestHandler], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server with the given answer to GET and returns its URL."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/sentences.zip"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _answer(body: bytes, length: int | None = None) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        request.end_headers()
        request.wfile.write(body)

    return answer


def _zip(contents: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"sentiment labelled sentences/{name}", content)
            archive.writestr(f"__MACOSX/sentiment labelled sentences/._{name}", b"fork")
    return made.getvalue()


def _fails(folder: Path, url: str, seconds: float = 5.0, clock: Callable[[], float] = time.monotonic) -> str:
    with pytest.raises(InputError) as caught:
        fetch(folder, url, seconds=seconds, clock=clock)
    assert not folder.exists() or not list(folder.iterdir())
    return str(caught.value)


def test_the_files_arrive_byte_for_byte(data: Path, tmp_path: Path, serve: Serve) -> None:
    published = {name: (data / "uci" / name).read_bytes() for name in FILES}

    fetch(tmp_path / "uci", serve(_answer(_zip(published))))

    assert {path.name: path.read_bytes() for path in (tmp_path / "uci").iterdir()} == published
    assert complete(tmp_path / "uci")


def test_other_bytes_are_refused(tmp_path: Path, serve: Serve) -> None:
    message = _fails(tmp_path / "uci", serve(_answer(_zip(dict.fromkeys(FILES, b"good\t1\n")))))

    assert "yelp_labelled.txt has SHA-256" in message
    assert "set TEXTCLF_DATA" in message


def test_an_archive_without_the_files_is_refused(tmp_path: Path, serve: Serve) -> None:
    assert "yelp_labelled.txt is not in the archive" in _fails(tmp_path / "uci", serve(_answer(_zip({"readme": b""}))))


def test_a_truncated_zip_is_refused(tmp_path: Path, serve: Serve) -> None:
    whole = _zip(dict.fromkeys(FILES, b"good\t1\n" * 100))

    assert "BadZipFile" in _fails(tmp_path / "uci", serve(_answer(whole[:-30])))


def test_a_connection_that_ends_early_is_refused(tmp_path: Path, serve: Serve) -> None:
    whole = _zip(dict.fromkeys(FILES, b"good\t1\n"))

    _fails(tmp_path / "uci", serve(_answer(whole[:100], length=len(whole))))


def test_a_missing_page_is_refused(tmp_path: Path, serve: Serve) -> None:
    assert "404" in _fails(tmp_path / "uci", serve(lambda request: request.send_error(404)))


def test_a_dead_server_is_refused(tmp_path: Path) -> None:
    # No server listens on port 9 of loopback, the port of the discard service.
    assert "URLError" in _fails(tmp_path / "uci", "http://127.0.0.1:9/sentences.zip")


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """An event that is set at the end of the test, for answers that never come."""
    event = threading.Event()
    yield event
    event.set()


def test_a_silent_server_is_given_up(tmp_path: Path, serve: Serve, over: threading.Event) -> None:
    def silent(request: http.server.BaseHTTPRequestHandler) -> None:
        over.wait(30)

    started = time.monotonic()

    _fails(tmp_path / "uci", serve(silent), seconds=0.3)

    assert time.monotonic() - started < 2


def test_a_server_that_sends_a_byte_at_a_time_is_given_up(tmp_path: Path, serve: Serve, over: threading.Event) -> None:
    def drip(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b"P")
        request.wfile.flush()
        over.wait(30)

    begin_and_first_byte = iter([0.0, 5.1])

    message = _fails(tmp_path / "uci", serve(drip), seconds=5.0, clock=begin_and_first_byte.__next__)

    assert "TimeoutError: no complete answer in 5 seconds" in message


def test_a_folder_with_altered_files_is_not_complete(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("good\t1\n")

    assert not complete(tmp_path)
