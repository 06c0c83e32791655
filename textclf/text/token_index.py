"""A vocabulary as tables that find its tokens in Arrow's bytes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from textclf.common.arrays import Int32, Int64, UInt8
from textclf.kernels.compiler import numba_runs
from textclf.text.arrow import filled
from textclf.text.encoder import Encoder
from textclf.text.unicode_tables import character_tables
from textclf.text.vocabulary import Vocabulary

Arrays = Mapping[str, npt.NDArray[Any]]
_SHORTEST = {"keras": 1, "words": 2}  # characters of a token


@dataclass(frozen=True)
class TokenIndex:
    """A tokenizer of ``TOKENIZERS`` with the tokens that it is to find, index 1 first.

    Attributes:
        arrays: ``sizes``, ``key_starts``, ``keys``, ``entries`` as ``kernels.find_tokens`` reads them; plain arrays, so
            that they can be stored and mapped into memory.

    Example:
        >>> index = TokenIndex.of("keras", ["the", "food"])
        >>> flat, offsets = index.ragged(pa.array(["The FOOD, the", None, "soup"]))
        >>> flat.tolist(), offsets.tolist()
        ([1, 2, 1], [0, 3, 3, 3])
    """

    tokenizer: str
    arrays: Arrays

    @classmethod
    def of(cls, tokenizer: str, tokens: Sequence[str]) -> "TokenIndex":
        """Make the tables; tokens differ from each other and are not empty, as a ``Vocabulary`` has them."""
        encoded = [b"", *(token.encode() for token in tokens)]
        sizes = np.array([len(token) for token in encoded], np.int32)
        key_starts = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum((sizes + 7) // 8, out=key_starts[1:])
        padded = b"".join(token.ljust((len(token) + 7) // 8 * 8, b"\0") for token in encoded)
        keys = np.frombuffer(padded, "<u8").astype(np.uint64)
        places = 1 << (2 * len(encoded)).bit_length()  # at most half full: most searches end at the first look
        entries = np.zeros(4 * places, np.uint64)
        if numba_runs():
            from textclf.kernels.token_lookup import fill_table

            fill_table(sizes, key_starts, keys, entries)
        return cls(tokenizer, {"sizes": sizes, "key_starts": key_starts, "keys": keys, "entries": entries})

    def ragged(self, texts: pa.Array) -> tuple[Int32, Int64]:
        """Indices of all known tokens end to end, and where each text's begin.

        The same as the tokenizer and ``Vocabulary.encode`` give; a null has none. Bytes that are not UTF-8 stay as
        they are.

        Args:
            texts: ``string``, ``large_string`` or ``string_view``, a slice or a whole, shape (n,).

        Returns:
            Shapes (known tokens,) and (n + 1,).
        """
        if not numba_runs():
            tokens, begins = self._encoder.ragged(filled(texts.cast(pa.string())))
            return tokens, begins.astype(np.int64)
        from textclf.kernels.token_lookup import find_tokens

        data, starts, valid = arrow_bytes(texts)
        tables, mine = character_tables(self.tokenizer), self.arrays
        flat = np.empty((int(starts[-1] - starts[0]) + len(starts)) // 2 + len(starts), np.int32)
        offsets = np.empty(len(starts), np.int64)
        found = find_tokens(
            data,
            starts,
            valid,
            tables.ascii,
            tables.lowered,
            tables.kind,
            tables.casing,
            _SHORTEST[self.tokenizer],
            mine["sizes"],
            mine["key_starts"],
            mine["keys"],
            mine["entries"],
            flat,
            offsets,
        )
        return flat[:found], offsets

    @cached_property
    def digest(self) -> str:
        """SHA-256 of tokenizer and tokens: indices of equal digests find the same."""
        made = hashlib.sha256(self.tokenizer.encode())
        for name in ("sizes", "keys"):
            made.update(np.ascontiguousarray(self.arrays[name]).data)
        return made.hexdigest()

    @cached_property
    def tokens(self) -> list[str]:
        """The tokens, index 1 first."""
        data, starts, sizes = self.arrays["keys"].tobytes(), self.arrays["key_starts"], self.arrays["sizes"]
        return [
            data[8 * start : 8 * start + size].decode() for start, size in zip(starts[1:-1], sizes[1:], strict=True)
        ]

    @cached_property
    def _encoder(self) -> Encoder:
        tokens = tuple(self.tokens)
        return Encoder(self.tokenizer, Vocabulary(tokens), len(tokens) + 1, 1)


def arrow_bytes(texts: pa.Array) -> tuple[UInt8, Int64, UInt8]:
    """The bytes of strings, where each begins and the last ends (n + 1), and 0 for each null (n; empty without).

    Nothing is copied but the offsets, and the bytes of ``string_view``.
    """
    if texts.type == pa.string_view():
        texts = texts.cast(pa.large_string())
    width: Any = np.int64 if texts.type == pa.large_string() else np.int32
    _, offsets, data = texts.buffers()
    if not len(texts) or offsets is None:
        starts: Int64 = np.zeros(1, np.int64)
    else:
        starts = np.frombuffer(offsets, width)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    content = np.frombuffer(data if data is not None and data.size else b"", np.uint8)
    content.flags.writeable = False  # some of Arrow's buffers can be written to, and numba would compile twice
    if not texts.null_count:
        return content, starts, np.zeros(0, np.uint8)
    return content, starts, np.asarray(texts.is_valid().to_numpy(zero_copy_only=False)).astype(np.uint8)
