"""Fetch the UCI "Sentiment Labelled Sentences", if the network allows it.

Source: https://doi.org/10.24432/C57604, D. Kotzias, M. Denil, N. de Freitas, P. Smyth, "From Group to Individual
Labels using Deep Features", KDD 2015; CC BY 4.0.
"""

import hashlib
import http.client
import io
import time
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from textclf.common.atomic_files import made_aside
from textclf.errors import InputError

URL = "https://archive.ics.uci.edu/static/public/331/sentiment+labelled+sentences.zip"
FILES = {
    "yelp_labelled.txt": "891088b9c7235e23fe2814285972f2df823fdc9ff37bf1e1904c7e8ae1001fbb",
    "amazon_cells_labelled.txt": "47003fc0a0d4840b00e96e715b6189bad09e7443a3da41c4cbe12ffc79f86ae3",
    "imdb_labelled.txt": "aef2e49e3da25714d61175e3a6e68eeef74a20a2f914318dc3be9947ea86512d",
}
"""SHA-256 of the files, in hexadecimal: published figures hold for exactly these bytes."""

_LARGEST = 16 << 20  # bytes; the archive has about 80 kB, and another answer must not fill the memory


def complete(folder: Path) -> bool:
    """Whether ``folder`` holds the three files, byte for byte."""
    paths = {folder / name: digest for name, digest in FILES.items()}
    return all(path.is_file() and _sha256(path.read_bytes()) == digest for path, digest in paths.items())


def fetch(folder: Path, url: str = URL, *, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
    """Fetch the three files into ``folder``, either all of them or none.

    Args:
        folder: Folder for the files. It is created if it is missing; files of the same names in it are replaced.
        url: URL of a zip that has files of these names in any of its folders.
        seconds: Longest time in seconds for connecting, and for the whole download.
        clock: Clock in seconds that measures the download.

    Raises:
        InputError: The files cannot be fetched; the message says why.
    """
    try:
        contents = _extracted(_downloaded(url, seconds, clock))
        _write(folder, contents)
    except (OSError, http.client.HTTPException, zipfile.BadZipFile, ValueError) as error:
        raise InputError(
            "The UCI sentences cannot be fetched.",
            received=f"{type(error).__name__}: {error}",
            expected=f"a zip with {', '.join(FILES)} at {url}",
            fix="set TEXTCLF_DATA to a folder that has them in uci/",
        ) from error


def _downloaded(url: str, seconds: float, clock: Callable[[], float]) -> bytes:
    deadline = clock() + seconds
    body = bytearray()
    with urllib.request.urlopen(url, timeout=seconds) as response:
        # Read in pieces, because the socket's own timeout starts again with every byte of a slow server.
        while piece := response.read1(1 << 16):
            body += piece
            if len(body) > _LARGEST:
                raise ValueError(f"more than {_LARGEST} bytes")
            if clock() > deadline:
                raise TimeoutError(f"no complete answer in {seconds:g} seconds")
    return bytes(body)


def _extracted(body: bytes) -> dict[str, bytes]:
    """Extract the wanted files of a zip, by name; raises ``ValueError`` if one is missing or differs."""
    contents: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for member in archive.infolist():
            name = Path(member.filename).name
            # Beside the files, the published archive holds macOS resource forks of the same names.
            if name in FILES and "__MACOSX" not in member.filename and member.file_size <= _LARGEST:
                contents[name] = archive.read(member)
    for name, digest in FILES.items():
        if name not in contents:
            raise ValueError(f"{name} is not in the archive")
        if _sha256(contents[name]) != digest:
            raise ValueError(f"{name} has SHA-256 {_sha256(contents[name])}, not {digest}")
    return contents


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:  # everything is on disk before the first name appears
        for name, content in contents.items():
            stack.enter_context(made_aside(folder / name)).write_bytes(content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
