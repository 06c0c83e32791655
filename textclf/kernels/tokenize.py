"""Kernels that cut tokens out of UTF-8 bytes and count them.

``cut_tokens`` expects texts whose characters beyond ASCII are lower-case already; ``table`` lower-cases ASCII and turns
separators into spaces. A separator is one byte, which in UTF-8 is not part of any other character.
"""

from typing import Any

from textclf.kernels.compiler import kernel

_SPACE = 32


@kernel
def cut_tokens(data: Any, starts: Any, table: Any, kept: Any, token_ends: Any, row_starts: Any) -> Any:
    """Cut all tokens and write them end to end.

    Args:
        data: Bytes of the texts: uint8.
        starts: Start of each text in ``data``, then the end of the last: int32, shape (n + 1,).
        table: Replacement of each byte: uint8, shape (256,).
        kept: Result: bytes of the tokens: uint8, of the size of ``data``.
        token_ends: Result: 0, then the end of each token in ``kept``: int32, with a place for every two bytes of text,
            one for each text and one more.
        row_starts: Result: number of tokens before each text: int32, shape (n + 1,).

    Returns:
        Number of tokens, and number of their bytes.
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
    codes: Any, starts: Any, order: Any, no_row: int, count: Any, first_row: Any, first_place: Any
) -> None:
    """Count each token and find its first occurrence, in the row of the smallest ``order``.

    Args:
        codes: Number of each token: int32.
        starts: Number of tokens before each row: int32, shape (n + 1,).
        order: Place of each row: int64, shape (n,); rows whose place is ``no_row`` do not count.
        no_row: Place that stands for no row.
        count: Result: occurrences of each number: int64, initially zeros.
        first_row: Result: ``order`` of the first row with the number: int64, initially ``no_row``.
        first_place: Result: number of tokens before it in that row: int32.
    """
    for row in range(len(order)):
        place = order[row]
        if place == no_row:
            continue
        for at in range(starts[row], starts[row + 1]):
            code = codes[at]
            count[code] += 1
            if place < first_row[code]:
                first_row[code] = place
                first_place[code] = at - starts[row]
