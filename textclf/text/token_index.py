"""Token index: a vocabulary compiled into tables that find its tokens in Arrow's bytes."""

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
_SHORTEST = {"keras": 1, "words": 2}  # fewest characters of a token


@dataclass(frozen=True)
class TokenIndex:
    """A tokenizer with the tokens to find, of which the first has index 1.

    Attributes:
        tokenizer: A name of ``TOKENIZERS``.
        arrays: Arrays ``sizes``, ``key_starts``, ``keys`` and ``entries`` of ``token_lookup.find_tokens``, which can be
            stored and mapped into memory.

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
        """Make the tables; tokens must be distinct and not empty, as in a ``Vocabulary``."""
        encoded = [b"", *(token.encode() for token in tokens)]
        sizes = np.array([len(token) for token in encoded], np.int32)
        key_starts = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum((sizes + 7) // 8, out=key_starts[1:])
        padded = b"".join(token.ljust((len(token) + 7) // 8 * 8, b"\0") for token in encoded)
        keys = np.frombuffer(padded, "<u8").astype(np.uint64)
        places = 1 << (2 * len(encoded)).bit_length()  # at most half full, so that most searches end at the first entry
        entries = np.zeros(4 * places, np.uint64)
        if numba_runs():
            from textclf.kernels.token_lookup import fill_table

            fill_table(sizes, key_starts, keys, entries)
        return cls(tokenizer, {"sizes": sizes, "key_starts": key_starts, "keys": keys, "entries": entries})

    def ragged(self, texts: pa.Array) -> tuple[Int32, Int64]:
        """Return the known tokens of texts, ragged.

        The result equals that of the tokenizer and ``Vocabulary.encode``; a null has no tokens. Bytes that are not
        UTF-8 are left unchanged.

        Args:
            texts: Array of type ``string``, ``large_string`` or ``string_view``, or a slice of one, shape (n,).

        Returns:
            Indices of all known tokens end to end, shape (known tokens,), and the start of each text's tokens, then
            the end of the last, shape (n + 1,).
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
        """SHA-256 of tokenizer and tokens; indexes with equal digests find the same tokens."""
        made = hashlib.sha256(self.tokenizer.encode())
        for name in ("sizes", "keys"):
            made.update(np.ascontiguousarray(self.arrays[name]).data)
        return made.hexdigest()

    @cached_property
    def tokens(self) -> list[str]:
        """The tokens, from index 1 on."""
        data, starts, sizes = self.arrays["keys"].tobytes(), self.arrays["key_starts"], self.arrays["sizes"]
        return [
            data[8 * start : 8 * start + size].decode() for start, size in zip(starts[1:-1], sizes[1:], strict=True)
        ]

    @cached_property
    def _encoder(self) -> Encoder:
        tokens = tuple(self.tokens)
        return Encoder(self.tokenizer, Vocabulary(tokens), len(tokens) + 1, 1)


def arrow_bytes(texts: pa.Array) -> tuple[UInt8, Int64, UInt8]:
    """Return the buffers of an array of strings; only the offsets and the bytes of ``string_view`` are copied.

    Returns:
        The bytes; the start of each string, then the end of the last, shape (n + 1,); and 0 for each null and 1 for
        other strings, shape (n,), or an empty array if there are no nulls.
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
    content.flags.writeable = False  # some Arrow buffers are writable, and numba would compile for both kinds
    if not texts.null_count:
        return content, starts, np.zeros(0, np.uint8)
    return content, starts, np.asarray(texts.is_valid().to_numpy(zero_copy_only=False)).astype(np.uint8)
