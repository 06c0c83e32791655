"""Whether texts hold anything that a tokenizer takes for a word: without one there is nothing to learn from."""

from collections.abc import Iterable

import pyarrow as pa

from textclf.errors import InputError
from textclf.text.tokenizer import TOKENIZERS

_RULES = {
    "words": (
        "no word of two letters or more",
        "letters, digits or underscores, two or more in a row, which is what logistic_regression and dense count",
        "leave rows without words out, or take an architecture that reads single signs too, such as cnn",
    ),
    "keras": (
        "nothing but blanks and punctuation",
        "anything else between two blanks, which is what networks on sequences read",
        "look at the texts of the source: another column or another encoding may be meant",
    ),
}
"""By tokenizer: what texts without a word hold, what a word is, and what to do."""


def has_words(texts: pa.Array | Iterable[pa.StringScalar], tokenizer: str) -> bool:
    """Whether a tokenizer finds a word in any of the texts; it looks no further than the first.

    Example:
        >>> texts = pa.array(["!", "a b c"])
        >>> has_words(texts, "keras"), has_words(texts, "words")
        (True, False)
    """
    tokenize = TOKENIZERS[tokenizer]
    return any(tokenize(text.as_py()) for text in texts)


def check_words(texts: pa.Array, tokenizer: str, of_whom: str, error: type[InputError] = InputError) -> None:
    """Refuse texts without a word.

    Args:
        tokenizer: A name of ``TOKENIZERS``.
        of_whom: What the texts belong to, for the message.
        error: The class of the error.

    Raises:
        InputError: No text has a word.
    """
    if not has_words(texts, tokenizer):
        raise no_words(len(texts), tokenizer, of_whom, error)


def no_words(rows: int, tokenizer: str, of_whom: str, error: type[InputError] = InputError) -> InputError:
    """The error of that many training rows without a word."""
    found, expected, fix = _RULES[tokenizer]
    return error(
        f"{of_whom} has {found} to learn from.",
        received=f"{rows} training rows with {found}",
        expected=f"words: {expected}",
        fix=fix,
    )
