"""The vocabulary: the words of a source, each with its index."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from textclf.errors import ArtifactError, InputError


@dataclass(frozen=True)
class Vocabulary:
    r"""Tokens by falling frequency; index 0 is padding, and ``tokens[i]`` has index ``i + 1``.

    Raises:
        InputError: A token is empty, contains a line feed or occurs twice.

    Example:
        >>> vocabulary = Vocabulary(("the", "food", "was"))
        >>> vocabulary.encode(["the", "soup", "was"], num_words=5000), vocabulary.encode(["the", "was"], num_words=3)
        ([1, 3], [1])
        >>> vocabulary.size(5000), vocabulary.size(3)
        (4, 3)
        >>> vocabulary.to_lines()
        '\nthe\nfood\nwas\n'
    """

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        mistake = _mistake(self.tokens)
        if mistake is not None:
            raise InputError("These tokens cannot be a vocabulary.", received=mistake, expected=_EXPECTED)

    @classmethod
    def from_lines(cls, text: str) -> "Vocabulary":
        """Parse the text of ``to_lines``.

        Raises:
            ArtifactError: The first line is not empty, the last line feed is missing, or a token is bad.
        """
        first, *tokens = text.split("\n")
        if first or not tokens or tokens.pop():
            mistake: str | None = "text that does not begin with an empty line, or does not end with a line feed"
        else:
            mistake = _mistake(tokens)
        if mistake is not None:
            raise _damaged(mistake)
        return cls(tuple(tokens))

    def to_lines(self) -> str:
        """Return the text of ``vocabulary.txt``: line n, counted from 0, is the token with index n; line 0 is empty.

        Only a line feed ends a line; tokens may contain other control characters.
        """
        return "\n".join(["", *self.tokens, ""])

    @classmethod
    def from_bytes(cls, data: bytes) -> "Vocabulary":
        """Parse the content of ``vocabulary.txt``.

        Raises:
            ArtifactError: The bytes are not UTF-8, or ``from_lines`` refuses the lines.
        """
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _damaged(str(error)) from error
        return cls.from_lines(text)

    def to_bytes(self) -> bytes:
        """Return the content of ``vocabulary.txt``."""
        return self.to_lines().encode("utf-8")

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of ``to_bytes``."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def size(self, num_words: int) -> int:
        """Return the number of rows of an embedding for the ``num_words - 1`` most frequent words and padding."""
        return min(num_words, len(self.tokens) + 1)

    def encode(self, tokens: Iterable[str], num_words: int) -> list[int]:
        """Return the indices of tokens; words beyond the ``num_words - 1`` most frequent are left out."""
        found = (self._indices.get(token, num_words) for token in tokens)
        return [index for index in found if index < num_words]

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens, start=1)}


_EXPECTED = "distinct tokens that are not empty and do not contain a line feed"


def _damaged(received: str) -> ArtifactError:
    return ArtifactError(
        "The vocabulary file is damaged.",
        received=received,
        expected=f"UTF-8: an empty line for index 0, then one token per line, each ended by a line feed; {_EXPECTED}",
        fix="restore the model's folder, or train the model again",
    )


def _mistake(tokens: Sequence[str]) -> str | None:
    """Describe what is wrong with the first bad token; None if all are good."""
    seen: dict[str, int] = {}
    for index, token in enumerate(tokens, start=1):
        if not token:
            return f"an empty token at index {index}"
        if "\n" in token:
            return f"a line feed in {token!r} at index {index}"
        if token in seen:
            return f"{token!r} at index {seen[token]} and again at index {index}"
        seen[token] = index
    return None
