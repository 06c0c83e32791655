"""Unicode as this Python knows it, in tables that a kernel can read: lower case, word characters, final sigma."""

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
_NOTHING = "\n"  # neither cased nor ignored between cased letters, and its own lower case


@dataclass(frozen=True)
class CharacterTables:
    """What a tokenizer does with each character.

    Attributes:
        ascii: The lower case of each byte below 128, ``SEPARATOR`` where it ends a token and from 128: uint8, shape
            (256,).
        lowered: UTF-8 of the lower case of a code point, first byte lowest, 0 where it is the character itself or
            beyond the end: uint32.
        kind: Of a code point: 0 ends a token, 1 is part of one, 2 is part of one and ends it: uint8; empty where
            all characters beyond ASCII are parts of tokens.
        casing: ``CASED``, ``IGNORABLE`` or ``OTHER`` neighbour of a capital sigma, by code point: uint8.
    """

    ascii: UInt8
    lowered: npt.NDArray[np.uint32]
    kind: UInt8
    casing: UInt8


@cache
def character_tables(tokenizer: str) -> CharacterTables:
    """The tables of a tokenizer: those that an earlier process of this Python has kept, else made and kept now.

    Raises:
        ValueError: This Python lower-cases a character to something that the tables cannot hold.
    """
    path = tables_path(tokenizer)
    try:
        with np.load(path) as kept:
            return CharacterTables(**kept)
    except (OSError, ValueError, TypeError, EOFError, BadZipFile):  # none, or not whole
        tables = _made(tokenizer)
    content = io.BytesIO()
    np.savez(content, **vars(tables))
    with suppress(OSError):
        replace_file(path, content.getvalue(), PRIVATE)
    return tables


def tables_path(tokenizer: str) -> Path:
    """Where a tokenizer's tables are kept; the name tells what they depend on."""
    sources = source_digest("textclf.text.unicode_tables", "textclf.text.tokenizer")[:12]
    name = f"{tokenizer}-{sources}-{python_release()}-{unicodedata.unidata_version}.npz"
    return cache_folder() / name


def _made(tokenizer: str) -> CharacterTables:
    """The tables, filled by asking ``str.lower`` and ``re`` about every code point."""
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
    """Characters beyond ASCII whose lower case is another, each asked about alone."""
    found = {}
    for start in range(128, sys.maxunicode + 1, _BLOCK):
        block = _points(start, min(start + _BLOCK, sys.maxunicode + 1))
        if block.lower() != block:  # a few dozen blocks of 4,352
            found.update({each: each.lower() for each in block if each.lower() != each})
    return found


def _word_characters() -> UInt8:
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    for match in re.finditer(r"\w+", _points(0, sys.maxunicode + 1)):
        table[match.start() : match.end()] = 1
    return table


def _leading_word(text: str) -> str:
    """The word characters at the beginning of a lower case.

    Raises:
        ValueError: More follow after another character.
    """
    length = next((at for at, each in enumerate(text) if not _WORD.match(each)), len(text))
    if _WORD.search(text[length:]):
        raise ValueError(f"{text!a} is the lower case of one character and holds two words")
    return text[:length]


@cache
def _casing() -> UInt8:
    """How each code point after a capital sigma decides between the two small ones.

    ``str.lower`` makes a sigma final when a cased letter comes before it and none after it, ignoring some
    characters between. So "AΣ" + c tells cased characters from others, and "AΣ" + c + "A" tells ignored ones.
    """
    cased = _keeps_sigma("")
    passed = _keeps_sigma("A")
    table = np.where(cased, CASED, np.where(passed, IGNORABLE, OTHER)).astype(np.uint8)
    return table[: int(np.flatnonzero(table).max()) + 1]


def _keeps_sigma(after: str) -> Bool:
    """Where "AΣ" + c + ``after`` does not end its word with the sigma, for every code point c."""
    count, width = sys.maxunicode + 1, 4 + len(after)
    codes = np.empty((count, width), np.uint32)
    codes[:] = [ord("A"), ord(_SIGMA), 0, *map(ord, after), ord(_NOTHING)]
    codes[:, 2] = np.arange(count)
    # A character of two lower-case letters would move all that follow it.
    moved = [ord(each) for each, lower in _changed().items() if len(lower) != 1]
    codes[moved, 2] = ord("A")
    text = codes.tobytes().decode("utf-32-le", "surrogatepass").lower()
    lowered = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).reshape(count, width)
    kept: Bool = lowered[:, 1] == ord("σ")
    for point in moved:
        kept[point] = f"A{_SIGMA}{chr(point)}{after}".lower()[1] == "σ"
    return kept
