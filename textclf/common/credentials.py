"""Find credentials in addresses and remove them from text that is shown."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

HIDDEN = "***"

# Each pattern takes time in proportion to the text: no part of the text is tried again from each of its characters.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,31}://)(?P<rest>[^\s\"<>`]*)")
_WHOLE = re.compile(r"\s*(?P<scheme>(?:jdbc:)?[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\r\n]*)")
_CONTAINERS = ("abfs://", "abfss://", "wasb://", "wasbs://")
"""Schemes that have a container before the ``@``, where other schemes have a user."""
_PORTS_ALONE = ("hdfs://", "viewfs://", "file://", "dbfs://")
"""Schemes without passwords, whose hosts may have short names."""
_ORACLE = re.compile(
    r"(?P<head>jdbc:oracle:[a-z0-9]{1,31}:)[^\s@/\"]{1,256}/(?P<secret>\"[^\"\r\n]{0,1024}\"|[^\s\"]{0,1024})@"
)
_BRACES = r"\{[^}\r\n]{0,1024}(?:\}\}[^}\r\n]{0,1024}){0,64}\}?"
"""A value in braces, as SQL Server writes values with separators: a ``}`` in it is doubled. The end may be missing."""
_QUOTES = r"""\\{0,4}(?:"[^"\r\n]{0,1024}"?|'[^'\r\n]{0,1024}'?)"""


def _telling(inside: str) -> str:
    """Make the pattern for names of parameters that hold a secret; ``inside`` matches the characters of a name."""
    words = (
        "passw|passphrase|passwd|pwd|secret|token|signature|credential|api[-_.]?key|access[-_.]?key|account[-_.]?key"
        "|private[-_.]?key|authorization"
    )
    return f"(?:(?={inside}*(?:{words})){inside}*|pass|pw|sig|key|auth|jwt|sas|code)"


_PARAMETER = re.compile(rf"(?P<name>[?&;#]{_telling('[^=&;?#/]')}=)(?P<secret>{_BRACES}|[^&;\s\"<>]+)", re.IGNORECASE)
# In free text, for example where an HTTP library reports the path that it has requested.
_WORDS = _telling(r"[^=&;?#/<>(){}\s\"']")
_BARE = re.compile(rf"(?P<name>[?&;]{_WORDS}=)(?P<secret>{_BRACES}|[^&;\s\"<>]+)", re.IGNORECASE)
# In connection strings and settings, and in what programs print of them.
_NAMED = re.compile(
    r"(?P<name>(?:(?<![/\w])(?:pwd|sig)=|"
    r"(?:(?:Shared)?Access(?:Key|Signature)|AccountKey|password|passwd|passphrase|client[-_.]?secret"
    r"|secret[-_.]?(?:access[-_.]?)?key|(?:access|auth|sas|refresh|session)[-_.]?token|api[-_.]?key"
    r"|account[-_.]key(?:\.[\w.-]{0,100})?)"
    r"(?:\\{0,4}['\"][ \t]{0,4}:|[ \t]{0,4}=)[ \t]{0,4}))"
    rf"(?P<secret>{_BRACES}|{_QUOTES}|[^&;\s\"'<>]+)",
    re.IGNORECASE,
)
_BRACED = re.compile(
    rf"(?P<name>(?:^|[?&;#,(\s\"']){_WORDS}[ \t]{{0,4}}=[ \t]{{0,4}})(?P<secret>{_BRACES})", re.IGNORECASE
)
"""Secrets that are removed before addresses are searched, because they may hold an ``@`` or what ends an address."""
_PROPERTIES = re.compile(r"[^;@/?#]*;[A-Za-z][\w.-]*=")
_HEADER = re.compile(
    r"(?P<name>\bauthorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer)\s+)(?P<secret>[^\s'\",}]+)", re.IGNORECASE
)


def without_credentials(text: str) -> str:
    """Remove users, passwords, keys and tokens from the addresses in a text.

    If an address can be read in two ways, for example because a password holds ``/``, ``#``, ``?`` or ``@``, the longer
    part is removed.

    Example:
        >>> without_credentials("https://ana:pa/s#s@mlflow.example/x, and s3a://bucket/a?X-Amz-Signature=1f")
        'https://mlflow.example/x, and s3a://bucket/a?X-Amz-Signature=***'
    """
    if "{" in text:
        text = _BRACED.sub(_hidden, text)
    text = _URL.sub(lambda found: found["scheme"] + _shown(found["scheme"], found["rest"]), text)
    text = _ORACLE.sub(lambda found: found["head"] + "@", text)
    for pattern in (_BARE, _NAMED, _HEADER) if "=" in text or ":" in text else ():
        text = pattern.sub(_hidden, text)
    return text


def place_without_credentials(place: str) -> str:
    """Remove credentials from a text that is one address as a whole; its password may even hold blanks and quotes."""
    place = _BRACED.sub(_hidden, place) if "{" in place else place
    found = _WHOLE.fullmatch(place)
    return without_credentials(found["scheme"] + _shown(found["scheme"], found["rest"]) if found else place)


def credentials(place: str) -> Iterator[str]:
    """Yield the passwords, keys and tokens in an address, both as written and decoded."""
    found = _WHOLE.fullmatch(place)
    if found:
        for most in (True, False):
            name, colon, password = _divided(found["scheme"], found["rest"], most=most)[0].partition(":")
            yield from _written(password if colon else name)
        for parameter in _PARAMETER.finditer(found["rest"]):
            yield from _written(parameter["secret"])
    for pattern in (_BRACED, _BARE, _NAMED, _HEADER, _ORACLE) if "=" in place or ":" in place else ():
        for other in pattern.finditer(place):
            yield from _written(other["secret"])
            yield re.split(r"[,)]", other["secret"], maxsplit=1)[0]  # in parentheses, as MySQL writes them


def userinfo(url: str) -> tuple[str, str, str]:
    """Split a URL into the URL without user and password, the user and the password, decoded; empty if it has none."""
    found = _WHOLE.fullmatch(url)
    user, rest = _divided(found["scheme"], found["rest"], most=False) if found else ("", "")
    if not found or not user:
        return url, "", ""
    name, _, password = user.partition(":")
    return found["scheme"] + rest, unquote(name), unquote(password)


def _written(secret: str) -> Iterator[str]:
    """Yield a secret as written in an address, decoded, and without its braces or quotes."""
    if not secret or secret == HIDDEN:
        return
    yield secret
    yield unquote(secret)
    bare = secret.lstrip("\\")
    if bare[0:1] == "{":
        yield bare[1:].removesuffix("}").replace("}}", "}")
    elif bare[0:1] in ("'", '"'):
        yield bare[1:].removesuffix(bare[0]).rstrip("\\")


def _hidden(found: re.Match[str]) -> str:
    return found["name"] + HIDDEN


def _shown(scheme: str, rest: str) -> str:
    return _PARAMETER.sub(_hidden, _divided(scheme, rest)[1])


def _divided(scheme: str, rest: str, *, most: bool = True) -> tuple[str, str]:
    """Split what follows a scheme into user and password, and the rest.

    Args:
        most: Whether the last of several ``@`` ends the password. A password may hold an ``@``, but so may a path.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if at and ":" not in user and scheme.lower() in _CONTAINERS:
        return "", rest
    if (host := _PROPERTIES.match(authority)) and not _is_password(host[0].partition(";")[0]):
        return "", rest  # an @ is part of a property, for example of a password that is not in braces
    if at and not most:
        return user, rest[len(user) + 1 :]
    if at and ":" not in user:  # a token, or the first part of a mail address that is the user's name
        other, left = _divided(scheme, rest[len(user) + 1 :])
        return f"{user}@{other}".rstrip("@"), left
    if at or (scheme.lower() not in _PORTS_ALONE and _is_password(authority)):
        user, at, left = rest.rpartition("@")
        return (user, left) if at else ("", rest)
    return "", rest


def _is_password(authority: str) -> bool:
    """Whether the part before the first slash is a user and the beginning of a password, not a host and its port.

    ``ana:12/ab@host`` and ``ana:8080/a@b`` look alike: a name without a dot is taken for a user.
    """
    name, colon, port = authority.partition(":")
    if not colon or name.startswith("["):
        return False
    return not name or not ((port.isdigit() or not port) and ("." in name or name == "localhost"))
