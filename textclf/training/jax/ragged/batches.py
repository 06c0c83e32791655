"""Ragged batches: texts end to end without padding, as a compiled step reads them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textclf.common.arrays import Bool, Float32, Int32, Int64
from textclf.training.jax.ragged.lazy_adam import COLUMNS, Arrears

_AT_ONCE, _BYTES = 512, 32 << 20  # most steps of one call, and most bytes that they read
_TRIED, _COUNTED = 20, 4  # orders that are sampled for the number of tokens, and of words, in batches
_STEPS = 2000  # most steps in all sampled orders; for a large source one order tells as much
_FITTING = 0.25  # share of the orders whose batches must fit into the steps
_MARGIN = 1.1  # for the words of batches in orders that were not sampled
_DRAWS = 200
_HELD, _HELD_TOKENS, _HELD_STEPS = 64, 512, 64  # texts and tokens of a step on held-out rows, steps of a call


def bucket(size: int) -> int:
    """Round a size up to one of eight steps per doubling, which adds at most an eighth.

    Example:
        >>> bucket(1), bucket(7), bucket(562), bucket(563), bucket(1747)
        (1, 7, 576, 576, 1792)
    """
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step


@dataclass(frozen=True)
class Sizes:
    """Capacity of a compiled step.

    Attributes:
        batch: Number of texts.
        tokens: Number of tokens of all texts, plus at least one unused place.
        words: Number of distinct tokens, including padding; 0 if a step does not need them.
        steps: Number of steps in one call.
    """

    batch: int
    tokens: int
    words: int
    steps: int

    def holding(self, tokens: int) -> "Sizes":
        """Return sizes at least as large as these, with room for batches of that many tokens, even all distinct."""
        size = max(self.tokens, bucket(tokens + 1))
        return Sizes(self.batch, size, size, self.steps)


class Packed(NamedTuple):
    """Batches; each array has one row per step.

    Attributes:
        places: Index of each token, or its place among the step's words; 0 for unused places.
        left: Number of tokens from each token to the end of its text, including itself; 0 for unused places.
        texts: Number of the text whose window begins at each token; one past the last text if no window does.
        padded: Whether each text has a window that is only padding.
        labels: Label of each text; 0 for unused rows.
        weights: Weight of each text; 0 for unused rows.
        counts: 1 for each text, 0 for unused rows.
    """

    places: Int32
    left: Int32
    texts: Int32
    padded: Bool
    labels: Int32
    weights: Float32
    counts: Float32


class Words(NamedTuple):
    """Rows of the embedding that steps read; each array has one row per step.

    Attributes:
        rows: Distinct row numbers in ascending order from row 0, filled up with numbers beyond the vocabulary.
        missed: Updates that the rows have missed until then, shape (steps, words, COLUMNS); see ``Arrears.sums``.
    """

    rows: Int32
    missed: Float32


class TooManyWordsError(Exception):
    """A batch has more distinct words than a step has room for."""


@dataclass(frozen=True, eq=False)
class Texts:
    """Ragged token indices of a source's texts; only the last ``max_length`` tokens of each text count.

    Attributes:
        flat: Token indices of all texts end to end.
        offsets: Start of each text in ``flat``, then the end of the last.
        labels: Label of each text.
        weights: Weight of each text.
        max_length: Number of tokens of a text that count.
        width: Width of a window in tokens.
    """

    flat: Int32
    offsets: npt.NDArray[Any]
    labels: Int32
    weights: Float32
    max_length: int
    width: int

    @cached_property
    def lengths(self) -> Int64:
        """Number of tokens that count in each text."""
        return np.minimum(np.diff(self.offsets), self.max_length).astype(np.int64)

    def sizes(self, batch: int) -> Sizes:
        """Choose sizes of steps that fit the largest batch of one order in four, for any rows of the source.

        Orders that do not fit are drawn again (see ``draw``). The time of a step is proportional to its capacity, and
        the largest batch of an epoch is half as large again as the others.
        """
        lengths, bound = self.lengths, int(self.flat.max(initial=0)) + 1
        batch = min(batch, bucket(len(lengths)))
        count = -(-len(lengths) // batch)
        generator = np.random.default_rng(0)
        most, different = [], []
        for number in range(max(min(_STEPS // count, _TRIED), 1)):
            order = generator.permutation(len(lengths))
            most.append(_largest(lengths[order], batch))
            if number < _COUNTED:
                tokens, whose, _ = self._tokens(order, lengths[order])
                steps = np.unique(whose // batch * bound + tokens) // bound
                different.append(int(np.bincount(steps, minlength=1).max()) + 1)
        room = bucket(int(np.quantile(most, _FITTING)) + 1)
        words = min(bucket(int(max(different) * _MARGIN)), room)
        each = 12 * room + 4 * (1 + COLUMNS) * words
        return Sizes(batch, room, words, max(min(bucket(count), _AT_ONCE, _BYTES // each), 1))

    def held_sizes(self) -> Sizes:
        """Choose sizes of steps for any held-out rows."""
        lengths = self.lengths
        tokens = max(bucket(int(lengths.max(initial=0)) + 1), _HELD_TOKENS)
        # Two consecutive steps together have more texts or tokens than fit into one.
        count = 2 * (int(lengths.sum()) // tokens + len(lengths) // _HELD + 1)
        return Sizes(_HELD, tokens, 0, min(bucket(count), _HELD_STEPS))

    def draw(self, rows: Int64, sizes: Sizes, generator: np.random.Generator) -> tuple[Int64, Sizes]:
        """Draw an order of rows whose batches fit; after many tries, return one that does not, with larger sizes."""
        for _ in range(_DRAWS):
            order: Int64 = generator.permutation(rows)
            most = _largest(self.lengths[order], sizes.batch)
            if most < sizes.tokens:
                return order, sizes
        return order, sizes.holding(most)

    def batches(self, order: Int64, sizes: Sizes, vocabulary: int, arrears: Arrears) -> tuple[Packed, Words, Float32]:
        """Make the steps of a call that goes through ``order`` batch by batch.

        Args:
            order: Rows of at most ``sizes.steps`` batches.
            sizes: Capacity of the steps.
            vocabulary: Number of rows of the embedding.
            arrears: Missed updates between these steps.

        Returns:
            The batches, the words that they read, and the updates that all rows have missed after them.

        Raises:
            TooManyWordsError: A batch has more distinct words than ``sizes.words``.
        """
        packed, (step, place) = self._pack(order, np.arange(len(order)) // sizes.batch, sizes)
        count = -(-len(order) // sizes.batch)
        tokens = packed.places[step, place]
        # Each step's words in order; all steps read padding, which is word 0.
        keys = np.concatenate([np.arange(count) * vocabulary, step * vocabulary + tokens])
        by_key = np.argsort(keys)
        first = np.diff(keys[by_key], prepend=-1) > 0
        reader, word = np.divmod(keys[by_key][first], vocabulary)
        slot = np.arange(len(reader)) - np.searchsorted(reader, np.arange(count))[reader]
        if slot.max() >= sizes.words:
            raise TooManyWordsError(f"{slot.max() + 1} words in a batch, room for {sizes.words}")
        slots = np.empty(len(keys), np.int32)
        slots[by_key] = slot[np.cumsum(first) - 1]
        packed.places[step, place] = slots[count:]
        rows = np.tile(vocabulary + np.arange(sizes.words, dtype=np.int32), (sizes.steps, 1))
        rows[reader, slot] = word
        missed = np.zeros((sizes.steps, sizes.words, COLUMNS), np.float32)
        missed[reader, slot], last = _missed(reader, word, vocabulary + sizes.words, arrears)
        return packed, Words(rows, missed), arrears.sums(last, count - last)

    def held(self, rows: Int64, sizes: Sizes) -> list[tuple[Packed, int]]:
        """Fill steps with as many rows as fit, in order; return the batches and the number of steps of each call."""
        if not len(rows):
            return []
        steps = np.empty(len(rows), np.int64)
        step = texts = tokens = 0
        for number, length in enumerate(self.lengths[rows]):
            if texts == sizes.batch or tokens + length >= sizes.tokens:
                step, texts, tokens = step + 1, 0, 0
            steps[number] = step
            texts, tokens = texts + 1, tokens + length
        calls = []
        for begin in range(0, step + 1, sizes.steps):
            ends = np.searchsorted(steps, [begin, begin + sizes.steps])
            some = slice(*ends)
            packed, _ = self._pack(rows[some], steps[some] - begin, sizes)
            calls.append((packed, int(min(step + 1 - begin, sizes.steps))))
        return calls

    def _pack(self, order: Int64, steps: Int64, sizes: Sizes) -> tuple[Packed, tuple[Int64, Int64]]:
        """Put texts into steps; return the batches, and the step and place of each token.

        Args:
            order: Rows of the texts.
            steps: Step of each text of ``order``, ascending from 0 without a gap.
            sizes: Capacity of the steps.
        """
        lengths = self.lengths[order]
        first = np.searchsorted(steps, np.arange(steps[-1] + 1))
        tokens, whose, within = self._tokens(order, lengths)
        number = np.arange(len(order)) - first[steps]
        begins = np.cumsum(lengths) - lengths
        at = steps[whose], np.arange(len(tokens)) - begins[first][steps[whose]]

        def whole(width: int, fill: int, dtype: Any, where: tuple[Int64, Int64], values: Any) -> Any:
            made = np.full((sizes.steps, width), fill, dtype)
            made[where] = values
            return made

        text = steps, number
        begin_window = within <= self.max_length - self.width
        packed = Packed(
            whole(sizes.tokens, 0, np.int32, at, tokens),
            whole(sizes.tokens, 0, np.int32, at, lengths[whose] - within),
            whole(sizes.tokens, sizes.batch, np.int32, at, np.where(begin_window, number[whose], sizes.batch)),
            whole(sizes.batch, 0, np.bool_, text, lengths + self.width <= self.max_length),
            whole(sizes.batch, 0, np.int32, text, self.labels[order]),
            whole(sizes.batch, 0, np.float32, text, self.weights[order]),
            whole(sizes.batch, 0, np.float32, text, 1),
        )
        return packed, at

    def _tokens(self, rows: Int64, lengths: Int64) -> tuple[Int32, Int64, Int64]:
        """Return the tokens of texts end to end, the text of each token, and its place in the text."""
        whose = np.repeat(np.arange(len(rows)), lengths)
        within = np.arange(len(whose)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.flat[(self.offsets[rows + 1] - lengths)[whose] + within], whose, within


def _largest(lengths: Int64, batch: int) -> int:
    """Return the number of tokens in the largest batch."""
    return int(np.add.reduceat(lengths, np.arange(0, len(lengths), batch)).max())


def _missed(reader: Int64, word: Int64, rows: int, arrears: Arrears) -> tuple[Float32, Int64]:
    """Compute what each word has missed when a step reads it, and the step after which each matrix row is up to date.

    Args:
        reader: Steps in ascending order, one for each word that a step reads.
        word: The words that the steps read.
        rows: Number of rows of the matrix.
        arrears: Missed updates between steps.
    """
    by_word = np.argsort(word, kind="stable")
    read = reader[by_word] + 1
    done = np.empty(len(read), np.int64)
    done[by_word] = np.where(np.diff(word[by_word], prepend=-1) == 0, np.roll(read, 1), 0)
    last = np.zeros(rows, np.int64)
    last[word[by_word]] = read  # of equal words, the last assignment wins
    return arrears.sums(done, reader - done), last
