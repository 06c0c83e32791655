"""An S3 server on loopback in a separate process, and the settings of its clients."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

KEY, SECRET, REGION, BUCKET = "textclf-key", "textclf-secret", "us-east-1", "bucket"


def s3a_settings(endpoint: str) -> dict[str, str]:
    """Return Spark's settings for the server."""
    found = {
        "endpoint": endpoint,
        "endpoint.region": REGION,
        "access.key": KEY,
        "secret.key": SECRET,
        "path.style.access": "true",
        "connection.ssl.enabled": "false",
    }
    return {f"spark.hadoop.fs.s3a.{name}": value for name, value in found.items()}


@contextmanager
def s3_server(port: int) -> Iterator[str]:
    """Start the server with one bucket; yield its endpoint."""
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(endpoint)
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"), timeout=60).close()
        yield endpoint
    finally:
        server.kill()
        server.wait()


def _await(endpoint: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
