"""Kernels that find a vocabulary's tokens in UTF-8 bytes.

A token is packed into words of eight bytes. A hash of the words finds it in an open-addressing table, and the words
themselves are compared before it counts as found. ASCII texts are cut eight bytes at a time, and their tokens are
looked up together, so that the processor does not wait for one lookup before the next. Other texts go character by
character.
"""

from typing import Any

import numpy as np

from textclf.kernels.compiler import kernel
from textclf.kernels.simd import low_zeros, word_at

_SIGMA = 0x3A3
# UTF-8 of the two small sigmas, first byte lowest.
_MIDDLE, _FINAL = np.uint32(0x83CF), np.uint32(0x82CF)
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, as in Fibonacci hashing (Knuth, TAOCP 3, 6.4)
_ZERO, _ONE, _TWO, _THREE, _FOUR = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_SEVEN, _BYTE, _WORD, _FOLD, _FULL = np.uint64(7), np.uint64(8), np.uint64(64), np.uint64(32), np.uint64(255)
_FULL32, _BYTE32 = np.uint32(255), np.uint32(8)
_INDEX = np.uint64(0xFFFFFFFF)
_ENDS = np.uint64(0x8080808080808080)  # the highest bit of each byte: set in separators, not in ASCII characters
_SEPARATOR = np.uint8(255)
_SHORT = 16  # most bytes of a token that an entry of the table holds itself
_TOGETHER = 256  # tokens looked up together


@kernel
def _mixed(before: Any, word: Any) -> Any:
    mixed = (before ^ word) * _MIX
    return mixed ^ (mixed >> _FOLD)


@kernel
def _hash(words: Any, count: int, size: int) -> Any:
    mixed = np.uint64(size)
    for number in range(count):
        mixed = _mixed(mixed, words[number])
    return mixed


@kernel
def _key(words: Any, count: int, size: int) -> Any:
    """Return the two words that identify a token in its entry: its own, or the hash of a longer token's words and 0."""
    if size > _SHORT:
        return _hash(words, count, size), _ZERO
    return words[0], words[1] if count > 1 else _ZERO


@kernel
def _place(first: Any, second: Any, size: Any, entries: Any) -> Any:
    """Return the entry at which the search for a token begins."""
    return (_mixed(_mixed(size, first), second) << _TWO) & np.uint64(len(entries) - 1)


@kernel
def _is_entry(entries: Any, at: Any, first: Any, second: Any, size: Any) -> bool:
    return bool((entries[at] == first) & (entries[at + _ONE] == second) & (entries[at + _TWO] >> _FOLD == size))


@kernel
def _next(at: Any, entries: Any) -> Any:
    return (at + _FOUR) & np.uint64(len(entries) - 1)


@kernel
def _find(words: Any, count: int, size: int, entries: Any, key_starts: Any, keys: Any) -> int:
    """Return the index of a packed token; 0 if the vocabulary does not have it."""
    first, second = _key(words, count, size)
    at = _place(first, second, np.uint64(size), entries)
    while entries[at + _TWO] != _ZERO:
        if _is_entry(entries, at, first, second, np.uint64(size)):
            index, same = np.int64(entries[at + _TWO] & _INDEX), True
            if size > _SHORT:
                for number in range(count):
                    same &= words[number] == keys[key_starts[index] + number]
            if same:
                return int(index)
        at = _next(at, entries)
    return 0


@kernel
def fill_table(sizes: Any, key_starts: Any, keys: Any, entries: Any) -> None:
    """Insert tokens 1 to n into an empty table; see ``find_tokens``."""
    for index in range(1, len(sizes)):
        begin, size = key_starts[index], np.uint64(sizes[index])
        first, second = _key(keys[begin:], key_starts[index + 1] - begin, sizes[index])
        at = _place(first, second, size, entries)
        while entries[at + _TWO] != _ZERO:
            at = _next(at, entries)
        entries[at], entries[at + _ONE], entries[at + _TWO] = first, second, size << _FOLD | np.uint64(index)


@kernel
def _lower_ascii(data: Any, begin: int, length: int, ascii_: Any, lowered: Any) -> bool:
    """Write the lower case of a text, followed by separators; return whether the text is ASCII."""
    all_bits = np.uint8(0)
    for at in range(length):
        byte = data[begin + at]
        all_bits |= byte
        lowered[at] = ascii_[byte]
    for at in range(length, length + _SHORT):
        lowered[at] = _SEPARATOR
    return bool(all_bits < 128)


@kernel
def _cut(lowered: Any, at: int, length: int, shortest: int, sizes: Any, words: Any) -> Any:
    """Cut the next tokens of a lower-cased text, until there are enough or one is longer than ``_SHORT``.

    Returns:
        The start of the rest, the number of tokens, and the size of a longer token that begins at the rest, else 0.
    """
    count = 0
    while at < length and count < len(sizes):
        first, second = word_at(lowered, at), _ZERO
        ends = first & _ENDS
        if ends:
            bits = low_zeros(ends) - _SEVEN
            first &= (_ONE << bits) - _ONE
            size: Any = np.int64(bits >> _THREE)
        else:
            second = word_at(lowered, at + 8)
            ends, size = second & _ENDS, 8
            while not ends:
                size += 8
                ends = word_at(lowered, at + size) & _ENDS
            bits = low_zeros(ends) - _SEVEN
            second &= (_ONE << bits) - _ONE
            size += np.int64(bits >> _THREE)
            if size >= _SHORT:
                return at, count, size
        words[2 * count], words[2 * count + 1], sizes[count] = first, second, size
        count += size >= shortest
        at += size + 1
    return at, count, 0


@kernel
def _look_up(count: int, sizes: Any, words: Any, places: Any, entries: Any, flat: Any, found: int) -> int:
    """Write the indices of cut tokens into ``flat`` from ``found`` on; return the number of indices in ``flat``.

    First come all places, then all entries at these places, then the tokens that their first entry did not decide. So
    no step waits for the memory or a mispredicted branch of the previous token.
    """
    for each in range(np.uint64(count)):
        places[each] = _place(words[_TWO * each], words[_TWO * each + _ONE], np.uint64(sizes[each]), entries)
    for each in range(np.uint64(count)):
        at, size = places[each], np.uint64(sizes[each])
        held = entries[at + _TWO]
        decided = (held == _ZERO) | _is_entry(entries, at, words[_TWO * each], words[_TWO * each + _ONE], size)
        sizes[each] = np.int64(held & _INDEX) if decided else -np.int64(size)
    for each in range(np.uint64(count)):
        index = sizes[each]
        if index < 0:
            at, size = _next(places[each], entries), np.uint64(-index)
            first, second = words[_TWO * each], words[_TWO * each + _ONE]
            while entries[at + _TWO] != _ZERO and not _is_entry(entries, at, first, second, size):
                at = _next(at, entries)
            index = np.int64(entries[at + _TWO] & _INDEX)
        flat[found] = index
        found += index > 0
    return found


@kernel
def _long_token(lowered: Any, at: int, size: int, words: Any) -> int:
    """Pack a token that ``_cut`` has left; return its number of words."""
    count = (size + 7) // 8
    for number in range(count):
        words[number] = word_at(lowered, at + 8 * number)
    if size % 8:
        words[count - 1] &= (_ONE << np.uint64(8 * (size % 8))) - _ONE
    return count


@kernel
def _decode(data: Any, at: int, end: int) -> Any:
    """Return code point and number of bytes of the character at ``at``; -1 and 1 for bytes that are not UTF-8."""
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
    """Return the class of the character at ``at`` as a neighbour of a sigma, and its number of bytes."""
    if data[at] < 128:
        return casing[data[at]], 1
    code, width = _decode(data, at, end)
    return casing[code] if 0 <= code < len(casing) else casing[10], width  # like a line feed, which is neither


@kernel
def _is_final(data: Any, begin: int, at: int, end: int, casing: Any) -> bool:
    """Whether ``str.lower`` turns the capital sigma at ``at`` into a final sigma."""
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
    """Return the lower case of a character as UTF-8, first byte lowest."""
    if code == _SIGMA:
        return _FINAL if _is_final(data, begin, at, end, casing) else _MIDDLE
    if 0 <= code < len(lowered) and lowered[code] != 0:
        return lowered[code]
    packed = np.uint32(0)
    for number in range(width):
        packed |= np.uint32(data[at + number]) << np.uint32(8 * number)
    return packed


# long: one compiled loop; a call for each character would cost more than its work.
@kernel
def _find_characters(
    data: Any,
    begin: int,
    end: int,
    ascii_: Any,
    lowered: Any,
    kind: Any,
    casing: Any,
    shortest: int,
    longest: int,
    words: Any,
    entries: Any,
    key_starts: Any,
    keys: Any,
    flat: Any,
    found: int,
) -> int:
    """Write the tokens of any text into ``flat`` from ``found`` on; return the number of tokens in ``flat``."""
    at, size, characters, count, packed, shift = begin, 0, 0, 0, _ZERO, _ZERO
    while True:
        ends = True
        if at < end:
            byte = data[at]
            character, width, part = np.uint32(0), 1, 0
            if byte < 128:
                if ascii_[byte] != _SEPARATOR:
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
                index = _find(words, count, size, entries, key_starts, keys)
                if index:
                    flat[found] = index
                    found += 1
            size, characters, count, packed, shift = 0, 0, 0, _ZERO, _ZERO
            if at >= end:
                return found


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
    sizes: Any,
    key_starts: Any,
    keys: Any,
    entries: Any,
    flat: Any,
    offsets: Any,
) -> int:
    """Write the indices of all known tokens, end to end, into ``flat``, and the start of each text's into ``offsets``.

    Args:
        data: Bytes of the texts: uint8.
        starts: Start of each text in ``data``, then the end of the last: int64, shape (n + 1,).
        valid: 0 for each null: uint8, shape (n,), or empty if there are no nulls.
        ascii_: Table of bytes; see ``textclf.text.unicode_tables.CharacterTables``, also for the next three.
        lowered: Table of lower cases.
        kind: Table of the kinds of code points.
        casing: Table of neighbours of a sigma.
        shortest: Fewest characters of a token, at least 1; shorter ones do not count.
        sizes: Number of bytes of each token: int32, shape (tokens + 1,).
        key_starts: Start of each token's words in ``keys``: int64, shape (tokens + 2,).
        keys: Tokens packed into words: uint64.
        entries: Table with four numbers per entry: the token's first and second word, or the hash of a longer token
            and 0; then its size times 2^32 plus its index; then 0. uint64, four times a power of two that is above the
            number of tokens.
        flat: Result: int32, with a place for every two bytes of text and one more for each text.
        offsets: Result: int64, shape (n + 1,).

    Returns:
        Number of tokens found.
    """
    longest, room = sizes.max(), 0
    for row in range(len(starts) - 1):
        room = max(room, starts[row + 1] - starts[row])
    words = np.empty(longest // 8 + 2, np.uint64)
    text = np.empty(room + _SHORT, np.uint8)
    cut_sizes, cut_words = np.empty(_TOGETHER, np.int64), np.empty(2 * _TOGETHER, np.uint64)
    places = np.empty(_TOGETHER, np.uint64)
    found = 0
    for row in range(len(starts) - 1):
        offsets[row] = found
        if len(valid) and valid[row] == 0:
            continue
        begin, end = starts[row], starts[row + 1]
        at, length = 0, end - begin
        if not _lower_ascii(data, begin, length, ascii_, text):
            found = _find_characters(
                data, begin, end, ascii_, lowered, kind, casing, shortest, longest, words, entries, key_starts, keys,
                flat, found,
            )  # fmt: skip
            continue
        while at < length:
            at, count, long = _cut(text, at, length, shortest, cut_sizes, cut_words)
            found = _look_up(count, cut_sizes, cut_words, places, entries, flat, found)
            if long:
                if shortest <= long <= longest:
                    index = _find(words, _long_token(text, at, long, words), long, entries, key_starts, keys)
                    flat[found] = index
                    found += index > 0
                at += long + 1
    offsets[len(starts) - 1] = found
    return found
