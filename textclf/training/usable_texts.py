"""Check that texts contain words as a tokenizer sees them, since otherwise there is nothing to learn from."""

from collections.abc import Iterable

import pyarrow as pa

from textclf.errors import InputError
from textclf.text.tokenizer import TOKENIZERS

_RULES = {
    "words": (
        "no word of two letters or more",
        "letters, digits or underscores, two or more in a row, which is what logistic_regression and dense count",
        "leave out rows without words, or use an architecture that also reads single characters, such as cnn",
    ),
    "keras": (
        "nothing but blanks and punctuation",
        "anything else between two blanks, which is what networks on sequences read",
        "look at the texts of the source: the column or the encoding may be wrong",
    ),
}
"""Words of the message, by tokenizer: what texts without a word have, what a word is, and what to do."""


def has_words(texts: pa.Array | Iterable[pa.StringScalar], tokenizer: str) -> bool:
    """Whether a tokenizer finds a word in any of the texts; stops at the first word.

    Example:
        >>> texts = pa.array(["!", "a b c"])
        >>> has_words(texts, "keras"), has_words(texts, "words")
        (True, False)
    """
    tokenize = TOKENIZERS[tokenizer]
    return any(tokenize(text.as_py()) for text in texts)


def check_words(texts: pa.Array, tokenizer: str, of_whom: str, error: type[InputError] = InputError) -> None:
    """Check that texts contain a word.

    Args:
        texts: Texts, shape (n,).
        tokenizer: A name of ``TOKENIZERS``.
        of_whom: Owner of the texts, for the message.
        error: The class of the error.

    Raises:
        InputError: No text has a word.
    """
    if not has_words(texts, tokenizer):
        raise no_words(len(texts), tokenizer, of_whom, error)


def no_words(rows: int, tokenizer: str, of_whom: str, error: type[InputError] = InputError) -> InputError:
    """Return the error for training rows without a word."""
    found, expected, fix = _RULES[tokenizer]
    return error(
        f"{of_whom} has {found} to learn from.",
        received=f"{rows} training rows with {found}",
        expected=f"words: {expected}",
        fix=fix,
    )
