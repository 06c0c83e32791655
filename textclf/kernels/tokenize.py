"""Compiled loops over text: tokens cut out of UTF-8 bytes, and counted.

``cut_tokens`` takes texts whose characters beyond ASCII are lower-case already; ``table`` lower-cases ASCII and turns
separators into spaces. A separator is one byte, and in UTF-8 no other character holds such a byte.
"""

from typing import Any

from textclf.kernels.compiler import kernel

_SPACE = 32


@kernel
def cut_tokens(data: Any, starts: Any, table: Any, kept: Any, token_ends: Any, row_starts: Any) -> Any:
    """All tokens, end to end.

    Args:
        data: The bytes of the texts: uint8.
        starts: Where each begins and the last one ends: int32, shape (n + 1,).
        table: Byte by byte: uint8, shape (256,).
        kept: The tokens' bytes: uint8, of the size of ``data``.
        token_ends: Where each token ends in ``kept``, the first one of them 0: int32, with a place for every two
            bytes of text, one for each text and one more.
        row_starts: Number of tokens before each text: int32, shape (n + 1,).

    Returns:
        Number of tokens, and of their bytes.
    """
    found, size = 0, 0
    token_ends[0] = 0
    for row in range(len(starts) - 1):
        row_starts[row] = found
        inside = False
        for at in range(starts[row], starts[row + 1]):
            byte = table[data[at]]
            if byte != _SPACE:
                kept[size] = byte
                size += 1
                inside = True
            elif inside:
                found += 1
                token_ends[found] = size
                inside = False
        if inside:
            found += 1
            token_ends[found] = size
    row_starts[len(starts) - 1] = found
    return found, size


@kernel
def count_tokens(
    codes: Any, starts: Any, order: Any, nobody: int, count: Any, first_row: Any, first_place: Any
) -> None:
    """Count each token and find its first occurrence, in the row of the smallest ``order``.

    Args:
        codes: Number of each token: int32.
        starts: Number of tokens before each row: int32, shape (n + 1,).
        order: Place of each row: int64, shape (n,); rows whose place is ``nobody`` do not count.
        count: How often each number occurs; zeros before: int64.
        first_row: ``order`` of the first row with it; ``nobody`` before: int64.
        first_place: How many tokens come before it in that row: int32.
    """
    for row in range(len(order)):
        place = order[row]
        if place == nobody:
            continue
        for at in range(starts[row], starts[row + 1]):
            code = codes[at]
            count[code] += 1
            if place < first_row[code]:
                first_row[code] = place
                first_place[code] = at - starts[row]
