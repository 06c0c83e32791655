"""Characters of a text that a terminal interprets."""

from unicodedata import bidirectional, category

ACTED_ON = ("Cc", "Zl", "Zp", "Cs")
BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def acted_on(text: str) -> list[str]:
    """Return the characters of a text that a terminal interprets, except line feeds and tabs."""
    return [
        each
        for each in text
        if each not in "\n\t"
        and (category(each) in ACTED_ON or bidirectional(each) in BIDI or each in "\ufeff\U000e0041")
    ]
