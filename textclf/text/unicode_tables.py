"""Tables of this Python's Unicode data for kernels: lower case, word characters, final sigma."""

import io
import re
import sys
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from textclf.common.arrays import Bool, UInt8
from textclf.common.atomic_files import PRIVATE, replace_file
from textclf.kernels.compiler import cache_folder, python_release, source_digest
from textclf.text.tokenizer import FILTERS

SEPARATOR = 255
OTHER, IGNORABLE, CASED = 0, 1, 2
_BLOCK = 256
_SIGMA = "Σ"
_WORD = re.compile(r"\w")
_NOTHING = "\n"  # neither cased nor ignorable, and its own lower case


@dataclass(frozen=True)
class CharacterTables:
    """A tokenizer's treatment of each character.

    Attributes:
        ascii: Lower case of each byte below 128; ``SEPARATOR`` for bytes that end a token and from 128 on: uint8,
            shape (256,).
        lowered: Lower case of each code point as UTF-8, first byte lowest; 0 if it is the character itself. Code points
            beyond the end are their own lower case: uint32.
        kind: Kind of each code point: 0 ends a token, 1 is part of one, 2 is part of one and ends it: uint8. Empty if
            all characters beyond ASCII are parts of tokens.
        casing: Kind of each code point as a neighbour of a capital sigma, ``CASED``, ``IGNORABLE`` or ``OTHER``: uint8.
    """

    ascii: UInt8
    lowered: npt.NDArray[np.uint32]
    kind: UInt8
    casing: UInt8


@cache
def character_tables(tokenizer: str) -> CharacterTables:
    """Return the tables of a tokenizer, from the cache of an earlier process or made and cached now.

    Raises:
        ValueError: This Python lower-cases a character to a string that the tables cannot hold.
    """
    path = tables_path(tokenizer)
    try:
        with np.load(path) as kept:
            return CharacterTables(**kept)
    except (OSError, ValueError, TypeError, EOFError, BadZipFile):  # missing or incomplete
        tables = _made(tokenizer)
    content = io.BytesIO()
    np.savez(content, **vars(tables))
    with suppress(OSError):
        replace_file(path, content.getvalue(), PRIVATE)
    return tables


def tables_path(tokenizer: str) -> Path:
    """Return the path of a tokenizer's cached tables, whose name contains everything that they depend on."""
    sources = source_digest("textclf.text.unicode_tables", "textclf.text.tokenizer")[:12]
    name = f"{tokenizer}-{sources}-{python_release()}-{unicodedata.unidata_version}.npz"
    return cache_folder() / name


def _made(tokenizer: str) -> CharacterTables:
    """Make the tables by applying ``str.lower`` and ``re`` to every code point."""
    changed = _changed()
    words = tokenizer == "words"
    kind = _word_characters() if words else np.zeros(0, np.uint8)
    lowered = np.zeros(max(map(ord, changed)) + 1, np.uint32)
    for character, lower in changed.items():
        kept = lower
        if words:
            kept = _leading_word(lower)
            kind[ord(character)] = 0 if not kept else 1 if kept == lower else 2
        encoded = kept.encode()
        if len(encoded) > 4 or (words and len(kept) > 1) or b"\0" in encoded:
            raise ValueError(f"{character!a}.lower() is {lower!a}, which a table of 4 bytes cannot hold")
        lowered[ord(character)] = int.from_bytes(encoded, "little")
    return CharacterTables(_ascii(words), lowered, kind, _casing())


def _ascii(words: bool) -> UInt8:
    table = np.full(256, SEPARATOR, np.uint8)
    table[:128] = [ord(chr(code).lower()) for code in range(128)]
    ends = [not _WORD.match(chr(code)) if words else chr(code) in FILTERS + " " for code in range(128)]
    table[:128][ends] = SEPARATOR
    return table


def _points(start: int, end: int) -> str:
    return np.arange(start, end, dtype=np.uint32).tobytes().decode("utf-32-le", "surrogatepass")


def _changed() -> dict[str, str]:
    """Find the characters beyond ASCII whose lower case differs, each lower-cased on its own."""
    found = {}
    for start in range(128, sys.maxunicode + 1, _BLOCK):
        block = _points(start, min(start + _BLOCK, sys.maxunicode + 1))
        if block.lower() != block:  # true for a few dozen blocks of 4,352
            found.update({each: each.lower() for each in block if each.lower() != each})
    return found


def _word_characters() -> UInt8:
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    for match in re.finditer(r"\w+", _points(0, sys.maxunicode + 1)):
        table[match.start() : match.end()] = 1
    return table


def _leading_word(text: str) -> str:
    """Return the word characters at the beginning of a character's lower case.

    Raises:
        ValueError: More word characters follow after another character.
    """
    length = next((at for at, each in enumerate(text) if not _WORD.match(each)), len(text))
    if _WORD.search(text[length:]):
        raise ValueError(f"{text!a} is the lower case of one character and contains two words")
    return text[:length]


@cache
def _casing() -> UInt8:
    """Classify each code point by its effect on a capital sigma before it, which has two lower cases.

    ``str.lower`` makes a sigma final if a cased letter comes before it and none after it, ignoring some characters in
    between. So "AΣ" + c identifies cased characters, and "AΣ" + c + "A" those that are ignored.
    """
    cased = _keeps_sigma("")
    passed = _keeps_sigma("A")
    table = np.where(cased, CASED, np.where(passed, IGNORABLE, OTHER)).astype(np.uint8)
    return table[: int(np.flatnonzero(table).max()) + 1]


def _keeps_sigma(after: str) -> Bool:
    """Whether the sigma in "AΣ" + c + ``after`` does not become final, for every code point c."""
    count, width = sys.maxunicode + 1, 4 + len(after)
    codes = np.empty((count, width), np.uint32)
    codes[:] = [ord("A"), ord(_SIGMA), 0, *map(ord, after), ord(_NOTHING)]
    codes[:, 2] = np.arange(count)
    # A character whose lower case has two letters would shift all that follow.
    moved = [ord(each) for each, lower in _changed().items() if len(lower) != 1]
    codes[moved, 2] = ord("A")
    text = codes.tobytes().decode("utf-32-le", "surrogatepass").lower()
    lowered = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).reshape(count, width)
    kept: Bool = lowered[:, 1] == ord("σ")
    for point in moved:
        kept[point] = f"A{_SIGMA}{chr(point)}{after}".lower()[1] == "σ"
    return kept
