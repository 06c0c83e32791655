"""Compiled loops over text: UTF-8 bytes to the indices of a vocabulary's tokens.

A token is packed into words of eight bytes as it is read; a hash of the words finds it in an open-addressed table,
and the words themselves are compared before it counts as found.
"""

from typing import Any

import numpy as np

from textclf.text.jit import kernel

_SIGMA = 0x3A3
# UTF-8 of the two small sigmas, first byte lowest.
_MIDDLE, _FINAL = np.uint32(0x83CF), np.uint32(0x82CF)
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, as in Fibonacci hashing (Knuth, TAOCP 3, 6.4)
_ZERO, _BYTE, _WORD, _FOLD, _FULL = np.uint64(0), np.uint64(8), np.uint64(64), np.uint64(32), np.uint64(255)
_FULL32, _BYTE32 = np.uint32(255), np.uint32(8)


@kernel
def _hash(words: Any, count: int, size: int) -> Any:
    mixed = np.uint64(size)
    for number in range(count):
        mixed = (mixed ^ words[number]) * _MIX
        mixed ^= mixed >> _FOLD
    return mixed


@kernel
def _find(words: Any, count: int, size: int, slots: Any, tags: Any, sizes: Any, key_starts: Any, keys: Any) -> int:
    """Index of a packed token, 0 where the vocabulary lacks it."""
    mask = np.uint64(len(slots) - 1)
    tag = _hash(words, count, size)
    slot = tag & mask
    while slots[slot] != 0:
        index = slots[slot]
        if tags[slot] == tag and sizes[index] == size:
            same = True
            for number in range(count):
                same &= words[number] == keys[key_starts[index] + number]
            if same:
                return int(index)
        slot = (slot + np.uint64(1)) & mask
    return 0


@kernel
def fill_table(sizes: Any, key_starts: Any, keys: Any, slots: Any, tags: Any) -> None:
    """Enter tokens 1 to n into an empty table of a power of two slots, more than n."""
    mask = np.uint64(len(slots) - 1)
    for index in range(1, len(sizes)):
        begin = key_starts[index]
        tag = _hash(keys[begin : key_starts[index + 1]], key_starts[index + 1] - begin, sizes[index])
        slot = tag & mask
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot], tags[slot] = index, tag


@kernel
def _decode(data: Any, at: int, end: int) -> Any:
    """Code point and number of bytes of the character at ``at``; -1 and 1 for bytes that are not UTF-8."""
    lead = np.int64(data[at])
    width = 0
    if 0xC2 <= lead < 0xE0:
        width, code = 2, lead & 0x1F
    elif 0xE0 <= lead < 0xF0:
        width, code = 3, lead & 0x0F
    elif 0xF0 <= lead < 0xF5:
        width, code = 4, lead & 0x07
    if width == 0 or at + width > end:
        return -1, 1
    for number in range(1, width):
        byte = np.int64(data[at + number])
        if byte & 0xC0 != 0x80:
            return -1, 1
        code = code << 6 | byte & 0x3F
    return code, width


@kernel
def _class_at(data: Any, at: int, end: int, casing: Any) -> Any:
    """Class of the character at ``at`` as a neighbour of a sigma, and its number of bytes."""
    if data[at] < 128:
        return casing[data[at]], 1
    code, width = _decode(data, at, end)
    return casing[code] if 0 <= code < len(casing) else casing[10], width  # like a line feed: neither


@kernel
def _is_final(data: Any, begin: int, at: int, end: int, casing: Any) -> bool:
    """Whether ``str.lower`` makes the capital sigma at ``at`` a final one."""
    found, before = np.uint8(1), at
    while found == 1 and before > begin:
        before -= 1
        while before > begin and data[before] & 0xC0 == 0x80:
            before -= 1
        found, _ = _class_at(data, before, end, casing)
    if found != 2:
        return False
    found, after = np.uint8(1), at + 2
    while found == 1 and after < end:
        found, width = _class_at(data, after, end, casing)
        after += width
    return bool(found != 2)


@kernel
def _lower(data: Any, begin: int, at: int, end: int, code: int, width: int, lowered: Any, casing: Any) -> Any:
    """UTF-8 of a character's lower case, first byte lowest."""
    if code == _SIGMA:
        return _FINAL if _is_final(data, begin, at, end, casing) else _MIDDLE
    if 0 <= code < len(lowered) and lowered[code] != 0:
        return lowered[code]
    packed = np.uint32(0)
    for number in range(width):
        packed |= np.uint32(data[at + number]) << np.uint32(8 * number)
    return packed


@kernel
def find_tokens(
    data: Any,
    starts: Any,
    valid: Any,
    ascii_: Any,
    lowered: Any,
    kind: Any,
    casing: Any,
    shortest: int,
    slots: Any,
    tags: Any,
    sizes: Any,
    key_starts: Any,
    keys: Any,
    flat: Any,
    offsets: Any,
) -> int:
    """Indices of all known tokens, end to end, into ``flat``, and where each text's begin into ``offsets``.

    Args:
        data: The bytes of the texts: uint8.
        starts: Where each begins and the last one ends: int64, shape (n + 1,).
        valid: 0 for a null: uint8, shape (n,), or empty without nulls.
        ascii_: With ``lowered``, ``kind`` and ``casing``: see ``textclf.text.casing.CharacterTables``.
        shortest: Tokens of fewer characters do not count.
        slots: Index of each entry, 0 where there is none: int32, a power of two of them.
        tags: Hash of each entry: uint64.
        sizes: Bytes of each token: int32, shape (tokens + 1,).
        key_starts: Where each token's words begin: int64, shape (tokens + 2,).
        keys: Tokens packed into words: uint64.
        flat: int32, with a place for every two bytes of text and one more for each text.
        offsets: int64, shape (n + 1,).

    Returns:
        How many were found.
    """
    longest = sizes.max()
    words = np.empty(longest // 8 + 2, np.uint64)
    found = 0
    for row in range(len(starts) - 1):
        offsets[row] = found
        if len(valid) and valid[row] == 0:
            continue
        begin, end = starts[row], starts[row + 1]
        at, size, characters, count, packed, shift = begin, 0, 0, 0, _ZERO, _ZERO
        while True:
            ends = True
            if at < end:
                byte = data[at]
                character, width, part = np.uint32(0), 1, 0
                if byte < 128:
                    if ascii_[byte] >= 0:
                        character, part = np.uint32(ascii_[byte]), 1
                else:
                    code, width = _decode(data, at, end)
                    part = 1 if len(kind) == 0 else kind[code] if 0 <= code < len(kind) else 0
                    if part:
                        character = _lower(data, begin, at, end, code, width, lowered, casing)
                at += width
                if part:
                    characters += 1
                    ends = part == 2
                    while True:
                        size += 1
                        if size <= longest:
                            packed |= np.uint64(character & _FULL32) << shift
                            shift += _BYTE
                            if shift == _WORD:
                                words[count] = packed
                                count, packed, shift = count + 1, _ZERO, _ZERO
                        character >>= _BYTE32
                        if character == 0:
                            break
            if ends:
                if characters >= shortest and size <= longest and size > 0:
                    if shift:
                        words[count] = packed
                        count += 1
                    index = _find(words, count, size, slots, tags, sizes, key_starts, keys)
                    if index:
                        flat[found] = index
                        found += 1
                size, characters, count, packed, shift = 0, 0, 0, _ZERO, _ZERO
                if at >= end:
                    break
    offsets[len(starts) - 1] = found
    return found
