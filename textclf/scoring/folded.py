"""A folded model: tables instead of layers, as one file that all workers of a host map into their memory."""

import json
import mmap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from textclf.files import PRIVATE, replace_file

_METADATA = "textclf"
_LINE = 64  # bytes of a line of the processor's cache, and of its longest vectors


def aligned(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array at an address that is a multiple of 64, copied where it lies elsewhere."""
    if array.ctypes.data % _LINE == 0 and array.flags.c_contiguous:
        return array
    room = np.empty(array.nbytes + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    made: npt.NDArray[Any] = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    made[...] = array
    return made


@dataclass(frozen=True)
class Pool:
    """One convolution and its maximum over the text; tensors ``pool_N.table`` and ``pool_N.bias``."""

    width: int
    relu: bool


@dataclass(frozen=True)
class About:
    """What a folded model is.

    Attributes:
        labels: In the order of the probabilities.
        max_length: Tokens that are looked at, the last ones; 0 for all.
        pools: The convolutions; without any, tokens are summed by the tensor ``sum.table``.
        mean: The sum is divided by the number of tokens.
        hidden: There is a layer between features and output.
        half: The tables of the convolutions are float16.
        golden_texts: Texts with known scores.
        golden_scores: What the library that trained the model gave, shape (texts, labels).
    """

    name: str
    version: str
    digest: str
    labels: list[str]
    tokenizer: str
    max_length: int
    pools: list[Pool] = field(default_factory=list)
    mean: bool = False
    hidden: bool = True
    half: bool = False
    golden_texts: list[str] = field(default_factory=list)
    golden_scores: list[list[float]] = field(default_factory=list)

    @classmethod
    def from_json(cls, text: str) -> "About":
        """What ``to_json`` wrote."""
        given = json.loads(text)
        return cls(**given | {"pools": [Pool(**pool) for pool in given["pools"]]})

    def to_json(self) -> str:
        """All of it as one line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Folded:
    """A folded model.

    Attributes:
        tensors: ``pool_N.table`` (vocabulary * width, filters), ``pool_N.bias``; or ``sum.table`` (positions,
            vocabulary, units) and ``sum.tail`` (positions + 1, units); ``hidden.kernel``, ``hidden.bias``,
            ``output.kernel``, ``output.bias``; and ``index.NAME``, the arrays of the ``TokenIndex``.
    """

    about: About
    tensors: Mapping[str, npt.NDArray[Any]]

    def save(self, path: Path) -> None:
        """Write the file, in one step."""
        replace_file(path, save(dict(self.tensors), {_METADATA: self.about.to_json()}), PRIVATE)

    @classmethod
    def load(cls, path: Path) -> "Folded":
        """Map a file that ``save`` wrote; pages are read when they are used and shared with other processes."""
        with path.open("rb") as file:
            # Private and writable, so that numba sees the arrays that it was compiled for; nothing writes to them.
            view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        size = int.from_bytes(view[:8], "little")
        header = json.loads(view[8 : 8 + size])
        about = About.from_json(header.pop("__metadata__")[_METADATA])
        return cls(about, {name: _tensor(view, 8 + size, entry) for name, entry in header.items()})


_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U64": "<u8"}


def _tensor(view: mmap.mmap, start: int, entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    begin, end = entry["data_offsets"]
    kind = np.dtype(_TYPES[entry["dtype"]])
    flat = np.frombuffer(view, kind, (end - begin) // kind.itemsize, start + begin)
    return flat.reshape(entry["shape"])
