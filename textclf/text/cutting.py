"""A compiled loop over text: tokens cut out of UTF-8 bytes.

It takes texts whose characters beyond ASCII are lower-case already; ``table`` lower-cases ASCII and turns separators
into spaces. A separator is one byte, and in UTF-8 no other character holds such a byte.
"""

from typing import Any

from textclf.text.jit import kernel

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
