"""Detect the encoding of a text file: UTF-8 wherever possible, otherwise what its bytes suggest."""

import unicodedata
from dataclasses import dataclass

_DENSE = 0.3  # from this share of letters beyond ASCII on, a text is not in a Latin script
_MANY = 0.5  # below this share of lines that are not UTF-8, a file is read as a Western encoding
_PUNCTUATION = "‘’“”‚„–—…•€£©®°«»¿¡·´`§²³½¼¾™\xa0±×÷ºª"
_OTHERS = (
    "cp1251", "koi8-r", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr", "cp874", "cp1256", "cp1253", "cp1255",
    "iso8859-5", "cp1250",
)  # fmt: skip
_SHOWN = 6


@dataclass(frozen=True)
class Encoding:
    """An encoding that a file may have, with notes for the reader of the pipeline file."""

    name: str
    notes: tuple[str, ...] = ()


def encodings(data: bytes) -> list[Encoding]:
    """Return the encodings that a file may have; more than one if its bytes do not decide.

    If some lines beyond ASCII are UTF-8, the file is UTF-8 and its other lines are rejects. If none is, another
    encoding can read every record.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return [Encoding("utf-8")]
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    bad = [line for line in lines if not _is_utf8(line)]
    few = f"{len(bad):,} line{'s' * (len(bad) != 1)} with bytes that are not UTF-8, which ingest_corpus will reject"
    if len(bad) < len(lines):
        return [Encoding("utf-8", (few,))]
    joined = b"\n".join(bad)
    western = _western(joined)
    # In another script, hardly any line is all ASCII. In ASCII with a few odd bytes, latin-1 loses no record.
    few_bad = len(bad) < _MANY * (data.count(b"\n") + 1)
    if western is not None or few_bad:
        return [_told(western or "latin-1", bad[0])]
    found = [name for name in _OTHERS if _one_script(joined, name)][:_SHOWN]
    if not found:
        return [Encoding("utf-8", (few,))]
    return [_told(name, bad[0]) for name in found]


def _told(name: str, line: bytes) -> Encoding:
    return Encoding(name, (f"not UTF-8: read as {name}, for example {_example(line, name)}",))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _western(data: bytes) -> str | None:
    """Return ``cp1252`` or ``latin-1`` if the bytes then look like words of Latin letters, otherwise None."""
    # Windows has characters at codes where latin-1 has control characters, which texts do not use.
    name = "cp1252" if any(0x80 <= byte < 0xA0 for byte in set(data)) else "latin-1"
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        return None
    high = [at for at, character in enumerate(text) if character > "\x7f"]
    letters = sum(map(str.isalpha, text))
    if sum(text[at].isalpha() for at in high) >= _DENSE * letters:
        return None
    usual = sum(text[at] in _PUNCTUATION or _in_word(text, at) for at in high)
    return name if usual >= 0.9 * len(high) else None


def _in_word(text: str, at: int) -> bool:
    """Return whether a letter beyond ASCII fits its neighbours as in a word: ``façade``, ``É``, not ``aÿÿþ``."""
    character = text[at]
    if not character.isalpha() or character in "ÿþÐðÞ×÷ƒ":
        return False
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if character.isupper() and before.islower():
        return False
    return not (before > "\x7f" and after > "\x7f")


def _one_script(data: bytes, name: str) -> bool:
    """Return whether bytes beyond ASCII decode to letters of one script, without characters that texts do not use."""
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        return False
    letters = [character for character in text[:20_000] if character > "\x7f" and not character.isspace()]
    if not letters or any(unicodedata.category(character) in ("Cn", "Co", "Cc") for character in letters):
        return False
    scripts: dict[str, int] = {}
    for character in letters:
        script = unicodedata.name(character, "?").split(" ")[0].split("-")[0]
        scripts[script] = scripts.get(script, 0) + 1
    kana = sum(scripts.get(each, 0) for each in ("HIRAGANA", "KATAKANA"))
    cjk = scripts.get("CJK", 0) + kana
    main = max(
        cjk, *(count for script, count in scripts.items() if script not in ("LATIN", "?", "BOX", "HALFWIDTH")), 0
    )
    lowered = sum(character.islower() for character in letters) >= 0.5 * len(letters) or cjk == main
    cased = any(character.islower() or character.isupper() for character in letters)
    return main >= 0.8 * len(letters) and (lowered or not cased)


def _example(line: bytes, name: str) -> str:
    text = line.decode(name)
    at = next(at for at, character in enumerate(text) if character > "\x7f")
    begin, end = text.rfind(" ", 0, at) + 1, text.find(" ", at)
    return repr(text[max(begin, at - 12) : end if 0 <= end < at + 12 else at + 12])
