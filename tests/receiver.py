"""An HTTP server on loopback that records the requests it receives."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

Sent = tuple[str, str, bytes]
"""Path, content type and body of a request."""


class Received(list[Sent]):
    """The received requests, and the credentials sent with them."""

    def __init__(self) -> None:
        super().__init__()
        self.credentials: set[str] = set()


@contextmanager
def receiver() -> Iterator[tuple[str, Received]]:
    """Yield the server's URL and the PUT and POST requests received; each is answered with 200 and no body."""
    sent = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.credentials |= {self.headers["Authorization"]} - {None}
            sent.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_PUT()

        def log_message(self, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        server.server_close()
