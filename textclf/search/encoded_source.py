"""A source's rows as numbers: encoded once on an executor, and read once by each worker process, from a broadcast."""

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import Broadcast
from safetensors.numpy import save

from textclf.common.arrays import Int32
from textclf.text.encoder import Encoder
from textclf.text.vocabulary import Vocabulary

_CACHE_BYTES = 512 << 20  # size of the encoded sources that a worker keeps, besides the one in use
_INFO = "info"
_TYPES = {"I32": np.int32, "I64": np.int64, "U8": np.uint8}

Data = bytes | bytearray
Pack = Broadcast[dict[str, Data]]
"""Encoded sources by digest, sent to each executor that runs a trial of one of them."""


@dataclass(frozen=True)
class RowEncoder(Encoder):
    """An encoder that also takes row numbers of a source, whose encoded texts it looks up.

    Attributes:
        flat, offsets: Token indices of all rows end to end, and the offset at which each row begins.
    """

    flat: Int32 = field(default_factory=lambda: np.empty(0, np.int32), compare=False, repr=False)
    offsets: Int32 = field(default_factory=lambda: np.zeros(1, np.int32), compare=False, repr=False)

    def ragged(self, texts: Sequence[str] | pa.Array) -> tuple[Int32, Int32]:
        """As ``Encoder.ragged``; an array of integers holds row numbers."""
        if not (isinstance(texts, pa.Array) and pa.types.is_integer(texts.type)):
            return super().ragged(texts)
        rows = texts.to_numpy()
        lengths = np.diff(self.offsets)[rows]
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
        places = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return self.flat[places], offsets


@dataclass(frozen=True)
class Info:
    """What the driver knows of an encoded source.

    Attributes:
        rows: Number of training rows; the test rows follow them.
        words: Rows of an embedding, by tokenizer.
        digest: SHA-256 of the encoded rows, which hold everything that a trial learns from.
        size: Number of bytes of the encoded rows.
        unseen: Labels that only test rows have, with their number of rows.
        problem: Reason why the source cannot be searched; None where it can.
    """

    source: str
    corpus_digest: str
    labels: list[str] = field(default_factory=list)
    rows: int = 0
    test_rows: int = 0
    words: dict[str, int] = field(default_factory=dict)
    max_length: int = 0
    digest: str = ""
    size: int = 0
    unseen: dict[str, int] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class EncodedSource:
    """A source's rows as numbers: training rows first, in the split's order, then test rows."""

    info: Info
    labels: Int32
    encoders: dict[str, RowEncoder]
    golden: list[str]
    size: int

    @cached_property
    def training_labels(self) -> Int32:
        """Labels of the training rows."""
        return self.labels[: self.info.rows]

    def longest(self, tokenizer: str) -> int:
        """Tokens of the longest training row."""
        offsets = self.encoders[tokenizer].offsets[: self.info.rows + 1]
        return int(np.diff(offsets).max(initial=0))


def pack(
    info: Info, labels: Int32, encoders: dict[str, Encoder], texts: pa.Array, golden: list[str]
) -> tuple[bytes, str]:
    """Serialise a source; return the bytes and their digest."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"labels": labels}
    for name, encoder in encoders.items():
        flat, offsets = encoder.ragged(texts)
        tokens = np.frombuffer(encoder.vocabulary.to_bytes(), np.uint8)
        sizes = np.array([encoder.num_words, encoder.max_length], np.int64)
        arrays |= {f"{name}.flat": flat, f"{name}.offsets": offsets, f"{name}.tokens": tokens, f"{name}.sizes": sizes}
    about = {
        "source": info.source,
        "labels": info.labels,
        "rows": info.rows,
        "test_rows": info.test_rows,
        "golden": golden,
    }
    arrays[_INFO] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    data = save(arrays)
    return data, hashlib.sha256(data).hexdigest()


def unpack(info: Info, data: Data) -> EncodedSource:
    """Read the bytes that ``pack`` returned. The arrays are views of them, so that nothing is held twice."""
    arrays = _views(data)
    names = [name.removesuffix(".flat") for name in arrays if name.endswith(".flat")]
    encoders = {}
    for name in names:
        vocabulary = Vocabulary.from_bytes(arrays[f"{name}.tokens"].tobytes())
        num_words, max_length = map(int, arrays[f"{name}.sizes"])
        flat, offsets = arrays[f"{name}.flat"], arrays[f"{name}.offsets"]
        encoders[name] = RowEncoder(name, vocabulary, num_words, max_length, flat, offsets)
    about = json.loads(arrays[_INFO].tobytes())
    return EncodedSource(info, arrays["labels"], encoders, about["golden"], len(data))


def _views(data: Data) -> dict[str, npt.NDArray[Any]]:
    """Arrays by name, of the format https://github.com/huggingface/safetensors#format, whose reader copies them."""
    begin = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(bytes(data[8:begin]))
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        count, offset = math.prod(about["shape"]), begin + about["data_offsets"][0]
        found[name] = np.frombuffer(data, _TYPES[about["dtype"]], count, offset).reshape(about["shape"])
    return found


_kept: "OrderedDict[str, EncodedSource]" = OrderedDict()


def encoded_source(info: Info, pack: Pack) -> EncodedSource:
    """Read a source from its pack; the process keeps it while its cache has room."""
    if info.digest not in _kept:
        _kept[info.digest] = unpack(info, pack.value[info.digest])
    _kept.move_to_end(info.digest)
    while len(_kept) > 1 and sum(source.size for source in _kept.values()) > _CACHE_BYTES:
        _kept.popitem(last=False)
    return _kept[info.digest]
