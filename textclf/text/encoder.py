"""Encode texts as the numbers that models read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from textclf.common.arrays import Int32
from textclf.kernels.padding import pad
from textclf.text.arrow import int_array, int_values, string_array
from textclf.text.tokenizer import TOKENIZERS, tokenize_array
from textclf.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_MISSING = int_array(np.array([-1]))[0]
_AT_ONCE = 1 << 16  # texts tokenized at once: as strings, the tokens of a million texts take gigabytes


@dataclass(frozen=True)
class Encoder:
    """A tokenizer with a vocabulary.

    Attributes:
        tokenizer: A name of ``TOKENIZERS``.
        vocabulary: The vocabulary.
        num_words: Only the ``num_words - 1`` most frequent tokens are kept.
        max_length: Maximum length of a sequence; longer ones lose their beginning.
    """

    tokenizer: str
    vocabulary: Vocabulary
    num_words: int
    max_length: int

    @cached_property
    def _known(self) -> pa.StringArray:
        return string_array(self.vocabulary.tokens[: self.vocabulary.size(self.num_words) - 1])

    def ragged(self, texts: Sequence[str] | pa.Array) -> tuple[Int32, Int32]:
        """Return the known tokens of texts, ragged.

        Args:
            texts: Texts, shape (n,).

        Returns:
            Indices of all known tokens end to end, shape (tokens,), and the start of each text's tokens, then the end
            of the last, shape (n + 1,).
        """
        column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
        if len(column) <= _AT_ONCE:
            return self._ragged(column)
        parts = [self._ragged(column.slice(start, _AT_ONCE)) for start in range(0, len(column), _AT_ONCE)]
        lengths = np.concatenate([np.diff(offsets) for _, offsets in parts])
        return np.concatenate([flat for flat, _ in parts]), np.append(0, np.cumsum(lengths)).astype(np.int32)

    def _ragged(self, column: pa.Array) -> tuple[Int32, Int32]:
        if self.tokenizer == "keras":
            lists = tokenize_array(column)
            tokens, begins = lists.flatten(), int_values(lists.offsets)
        else:
            cut = [TOKENIZERS[self.tokenizer](text) for text in column.to_pylist()]
            tokens = string_array([token for each in cut for token in each])
            begins = np.cumsum([0, *map(len, cut)])
        found = int_values(pc.fill_null(pc.index_in(tokens, self._known), _MISSING)) + 1
        before = np.append(0, np.cumsum(found > 0))
        return found[found > 0], before[begins].astype(np.int32)

    def sequences(self, texts: Sequence[str] | pa.Array) -> tuple[Int32, Int32]:
        """Return padded sequences, shape (texts, max_length), and the number of known tokens in each text."""
        flat, offsets = self.ragged(texts)
        return pad(flat, offsets, self.max_length), np.diff(offsets).astype(np.int32)

    def counts(self, texts: Sequence[str] | pa.Array) -> "tuple[csr_matrix, Int32]":
        """Return counts, shape (texts, tokens of the vocabulary), and the number of known tokens in each text."""
        flat, offsets = self.ragged(texts)
        known = np.diff(offsets).astype(np.int32)  # before the matrix takes over the offsets
        return counts_matrix(flat, offsets, len(self._known)), known


def counts_matrix(flat: Int32, offsets: npt.NDArray[Any], words: int) -> "csr_matrix":
    """Count each token, shape (texts, words), from the result of ``Encoder.ragged``; may take over the arrays."""
    from scipy.sparse import csr_matrix  # importing it takes longer than labelling a text

    matrix = csr_matrix((np.ones(len(flat), np.float64), flat - 1, offsets), (len(offsets) - 1, words))
    matrix.sum_duplicates()
    return matrix
