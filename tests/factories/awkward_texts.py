"""Texts that break careless tokenizers."""

import random
import unicodedata

from hypothesis import strategies as st

from textclf.text.tokenizer import FILTERS

POINTS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
# Characters that break byte-level or careless tokenizers; random draws would rarely contain them.
AWKWARD = "İIıΣσςßẞKÅȺȾǅ\u0301\u00ad\u200d'\u0085\u00a0\u2028\u3000\r\x0b\x1c\x00\x7f \t\né😀𐐀_9²" + FILTERS
TEXTS = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters(exclude_categories=["Cs"]), st.sampled_from("aBcZ ")))


def random_texts(count: int, seed: int = 1000) -> list[str]:
    """Return short texts with characters of all planes, combining marks, control characters and odd letters."""
    draw = random.Random(seed)
    marks = [point for point in POINTS if unicodedata.combining(point)]
    pools = [AWKWARD, POINTS, marks, "abc DEF", "ΑΒΣΑσ. '", [chr(code) for code in range(32)]]
    return ["".join(draw.choice(draw.choice(pools)) for _ in range(draw.randrange(12))) for _ in range(count)]
