"""A compiled model: tables instead of layers, as one file that all workers of a host map into their memory."""

import json
import math
import mmap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from textclf.common.atomic_files import PRIVATE, replace_file

_METADATA, _SHAPES = "textclf", "shapes"
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
class ModelInfo:
    """What a compiled model is.

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
    def from_json(cls, text: str) -> "ModelInfo":
        """What ``to_json`` wrote."""
        given = json.loads(text)
        return cls(**given | {"pools": [Pool(**pool) for pool in given["pools"]]})

    def to_json(self) -> str:
        """All of it as one line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class CompiledModel:
    """A compiled model.

    Attributes:
        tensors: ``pool_N.table`` (vocabulary * width, filters), ``pool_N.bias``; or ``sum.table`` (positions,
            vocabulary, units) and ``sum.tail`` (positions + 1, units); ``hidden.kernel``, ``hidden.bias``,
            ``output.kernel``, ``output.bias``; and ``index.NAME``, the arrays of the ``TokenIndex``.
    """

    info: ModelInfo
    tensors: Mapping[str, npt.NDArray[Any]]

    def save(self, path: Path) -> None:
        """Write the file, in one step; every tensor begins at a multiple of 64 bytes, as ``aligned`` has it."""
        shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
        flat = {name: _whole_lines(tensor.ravel()) for name, tensor in self.tensors.items()}
        data = memoryview(save(flat, {_METADATA: self.info.to_json(), _SHAPES: json.dumps(shapes)}))
        size = int.from_bytes(data[:8], "little")
        # The format lets a header end in spaces.
        header = bytes(data[8 : 8 + size]).ljust(-(-(8 + size) // _LINE) * _LINE - 8)
        replace_file(path, b"".join([len(header).to_bytes(8, "little"), header, data[8 + size :]]), PRIVATE)

    @classmethod
    def load(cls, path: Path) -> "CompiledModel":
        """Map a file that ``save`` wrote; pages are read when they are used and shared with other processes."""
        with path.open("rb") as file:
            # Private and writable, so that numba sees the arrays that it was compiled for; nothing writes to them.
            view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        size = int.from_bytes(view[:8], "little")
        header = json.loads(view[8 : 8 + size])
        told = header.pop("__metadata__")
        shapes = json.loads(told[_SHAPES])
        tensors = {name: _tensor(view, 8 + size, entry, shapes[name]) for name, entry in header.items()}
        return cls(ModelInfo.from_json(told[_METADATA]), tensors)


_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U64": "<u8"}


def _tensor(view: mmap.mmap, start: int, entry: Mapping[str, Any], shape: list[int]) -> npt.NDArray[Any]:
    kind = np.dtype(_TYPES[entry["dtype"]])
    return np.frombuffer(view, kind, math.prod(shape), start + entry["data_offsets"][0]).reshape(shape)


def _whole_lines(flat: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Filled up with zeros to a multiple of 64 bytes."""
    return np.pad(flat, (0, -flat.nbytes % _LINE // flat.itemsize))
