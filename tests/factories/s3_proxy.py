"""A proxy before an S3 server: it counts requests, and gives the faults that object stores have."""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Fault = Callable[[str, str], str | None]
"""Function from method and path of a request to one of ``FAULTS``; None for no fault."""
FAULTS = ("busy", "slow", "lost", "unconditional")
"""An answer 503 without any effect; a delay; an effect without an answer; a service that ignores If-None-Match."""
_DELAY = 1.0  # seconds
_KEPT = ("transfer-encoding", "connection", "content-length")


class S3Proxy(ThreadingHTTPServer):
    """The proxy, while its thread runs.

    Attributes:
        fault: What happens to requests; by default nothing.
        counts: Number of requests by method, and of faults.
        answers: Number of the server's answers by status.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.fault: Fault = lambda method, path: None  # noqa: ARG005
        self.counts: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()

    @property
    def endpoint(self) -> str:
        """URL of the proxy."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed close their connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Proxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.counts[self.command] += 1
        fault = self.server.fault(self.command, self.path)
        if fault is not None:
            self.server.counts[f"fault: {fault}"] += 1
        if fault == "busy":
            self._answer(503, {}, b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")
            return
        if fault == "slow":
            time.sleep(_DELAY)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _KEPT}
        if fault == "unconditional":
            headers = {name: value for name, value in headers.items() if name.lower() != "if-none-match"}
        connection = http.client.HTTPConnection(self.server.target, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, headers | {"Content-Length": str(len(body))})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if fault == "lost":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.server.answers[answer.status] += 1
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _KEPT}
        if self.command == "HEAD":
            kept["Content-Length"] = answer.getheader("Content-Length") or "0"
        self._answer(answer.status, kept, content)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":  # a client would take a body for the next answer, and wait for the rest of it
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - the names that the class calls


@contextmanager
def s3_proxy(target: str) -> Iterator[S3Proxy]:
    """Start a proxy before the server at an endpoint."""
    with S3Proxy(target) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
