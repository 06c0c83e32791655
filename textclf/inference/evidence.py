"""Evidence: the n-gram that moved a decision most."""

from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.common.arrays import Float64, Int32, Int64
from textclf.inference.compiled_scorer import CompiledScorer


def strongest(
    scorer: CompiledScorer,
    flat: Int32,
    offsets: Int64,
    chosen: npt.NDArray[np.intp],
) -> list[str | None]:
    """Find the n-gram that speaks most for the label of each text.

    For a convolution this is the window with the largest credit. Each filter's value, less its value without the words
    of the window that won the maximum, is credited to that window, times what a unit of the filter adds to the label's
    logit while the active hidden units stay active. For a sum it is the word with the largest contribution.

    Args:
        scorer: The model.
        flat: Token indices of all texts end to end.
        offsets: Start of each text in ``flat``, then its end, shape (n + 1,).
        chosen: Number of each text's label, shape (n,).

    Returns:
        The known words of the n-gram of each text; None if no n-gram speaks for the label.
    """
    best = np.zeros((len(offsets) - 1, 3))
    info = scorer.info
    if info.pools:
        gains, column = _gains(scorer, flat, offsets, chosen), 0
        for pool, table, bias in scorer.pools():
            tokens, rows = scorer.widened(flat, table, pool.width)
            mine = np.ascontiguousarray(gains[:, column : column + len(bias)])
            scorer.loops.weigh_windows(tokens, offsets, rows, pool.width, info.max_length, bias, pool.relu, mine, best)
            column += len(bias)
    else:
        _weigh_words(scorer, flat, offsets, _gains(scorer, flat, offsets, chosen), best)
    words, kept = scorer.index.tokens, info.max_length or (1 << 62)
    begins = np.maximum(offsets[:-1], offsets[1:] - kept) + best[:, 1].astype(np.int64)
    ends = begins + best[:, 2].astype(np.int64)
    return [
        " ".join(words[index - 1] for index in flat[begin:end]) or None if begin < end else None
        for begin, end in zip(begins, ends, strict=True)
    ]


def _gains(scorer: CompiledScorer, flat: Any, offsets: Any, chosen: Any) -> Float64:
    """Compute what a unit of each feature adds to the decision for a text's label, shape (n, features).

    The decision is the signed logit for two labels, and for more the label's logit less the mean of all logits.
    """
    tensors = scorer.tensors
    features = scorer.features(flat, offsets)
    # Without a kernel, the sums are the logits.
    outputs = tensors["output.kernel"].T if "output.kernel" in tensors else np.eye(features.shape[1])
    outputs = np.vstack([-outputs, outputs]) if len(outputs) == 1 else outputs - outputs.mean(axis=0)
    gains: Float64 = outputs[chosen]
    if scorer.info.pools and "hidden.kernel" in tensors:
        kernel = tensors["hidden.kernel"]
        on = features @ kernel + tensors["hidden.bias"] > 0
        gains = (gains * on) @ kernel.T
    elif not scorer.info.pools and "hidden.bias" in tensors:
        gains = gains * (features > 0)
    return gains


def _weigh_words(scorer: CompiledScorer, flat: Any, offsets: Any, gains: Any, best: Any) -> None:
    """Like ``weigh_windows``, for sums: the contribution of each word, less that of padding in its place."""
    info, table = scorer.info, scorer.tensors["sum.table"]
    positions = table.shape[0]
    for row in range(len(best)):
        begin, end = offsets[row], offsets[row + 1]
        begin = max(begin, end - info.max_length) if info.max_length else begin
        if begin == end:
            continue
        places = np.arange(end - begin) if positions > 1 else 0
        without = table[places, 0] if positions > 1 else 0.0
        credit = (table[places, flat[begin:end]].astype(np.float64) - without) @ gains[row]
        if info.tokenizer == "words":  # in counts, a word's occurrences add up
            words, which = np.unique(flat[begin:end], return_inverse=True)
            credit = np.bincount(which, credit, len(words))[which]
        first = int(credit.argmax())
        if credit[first] > 0:
            best[row] = credit[first], first, 1
