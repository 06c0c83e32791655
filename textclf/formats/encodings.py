"""Check the encoding of a source and the characters that delimit its fields."""

import codecs
from functools import lru_cache

_STATEFUL = {"utf_7", "hz", "iso2022_jp", "iso2022_kr", "idna", "punycode", "raw_unicode_escape", "unicode_escape"}
_CONVERT = "convert the files, for example: iconv -f {} -t UTF-8 FILE > NEW"


def check_encoding(value: str) -> None:
    """Refuse an encoding in which the byte of a line feed does not end a record; files are split before decoding.

    Raises:
        ValueError: The encoding is unknown, is stateful or does not extend ASCII.
    """
    try:
        name = codecs.lookup(value).name
        encoded = '\n\t,"'.encode(value)
    except (LookupError, ValueError) as error:
        raise ValueError("expected a text encoding known to Python, such as utf-8, latin-1 or cp1252") from error
    if name == "utf-8-sig":
        raise ValueError('write encoding = "utf-8": a byte order mark at the beginning of a file is skipped')
    kind = name.replace("-", "_")
    if kind.startswith(("utf_16", "utf_32")):
        raise ValueError(f"{name} does not extend ASCII; {_CONVERT.format(name.upper())}")
    if kind in _STATEFUL or kind.startswith("iso2022"):
        raise ValueError(f"{name} is stateful: the meaning of a byte depends on those before; {_CONVERT.format(value)}")
    if encoded != b'\n\t,"':
        raise ValueError(f"expected an encoding that extends ASCII; {_CONVERT.format(value)}")


def is_utf8(encoding: str) -> bool:
    """Return whether an encoding is UTF-8 under any of its names."""
    return codecs.lookup(encoding).name == "utf-8"


def check_field_signs(encoding: str, *, quoted: bool, separator: str, escape: str | None) -> None:
    """Refuse a delimiter or escape character whose byte is part of other characters in the encoding.

    Raises:
        ValueError: The delimiter or the escape character cannot be used; the message says which.
    """
    if separator in "\r\n" or (quoted and separator == '"'):
        raise ValueError(f"delimiter must not be a line end or a quote, received {separator!r}")
    if escape is not None and (not escape.isascii() or escape in ('"', "\r", "\n", separator)):
        raise ValueError(f"escape must be an ASCII character other than quote and delimiter, received {escape!r}")
    for key, sign in (("delimiter", separator), ("escape", escape)):
        if sign is None:
            continue
        try:
            encoded = sign.encode(encoding)
        except UnicodeError:
            raise ValueError(f"{key} {sign!r} does not exist in encoding {encoding}") from None
        if not quoted or encoded in (b",", b"\t") or is_utf8(encoding):
            continue
        # Quoted records are found before anything is decoded.
        if len(encoded) > 1 or encoded in _within_others(encoding):
            raise ValueError(f"{key} {sign!r} is also part of other characters in encoding {encoding}")


@lru_cache(maxsize=8)
def _within_others(encoding: str) -> frozenset[bytes]:
    """Return the bytes that occur in multi-byte characters of an encoding."""
    found: set[int] = set()
    for code in range(128, 1 << 16):
        try:
            character = chr(code).encode(encoding)
        except UnicodeError:
            continue
        if len(character) > 1:
            found.update(character)
    return frozenset(bytes([byte]) for byte in found)
