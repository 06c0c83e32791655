"""Credentials inside of addresses: found, and left out of what is shown."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

HIDDEN = "***"

# Each takes time in proportion to the text, whatever it holds: no part is tried again from each of its characters.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,31}://)(?P<rest>[^\s\"<>`]*)")
_WHOLE = re.compile(r"\s*(?P<scheme>(?:jdbc:)?[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\r\n]*)")
_CONTAINERS = ("abfs://", "abfss://", "wasb://", "wasbs://")
"""Schemes with a container before the ``@``, where others have a user."""
_PORTS_ALONE = ("hdfs://", "viewfs://", "file://", "dbfs://")
"""Schemes that know no password, whose hosts have short names."""
_ORACLE = re.compile(
    r"(?P<head>jdbc:oracle:[a-z0-9]{1,31}:)[^\s@/\"]{1,256}/(?P<secret>\"[^\"\r\n]{0,1024}\"|[^\s\"]{0,1024})@"
)
_BRACES = r"\{[^}\r\n]{0,1024}(?:\}\}[^}\r\n]{0,1024}){0,64}\}?"
"""A value that holds separators, as SQL Server has it: its ``}`` stand twice. One without an end is cut off."""
_QUOTES = r"""\\{0,4}(?:"[^"\r\n]{0,1024}"?|'[^'\r\n]{0,1024}'?)"""


def _telling(inside: str) -> str:
    """Names of parameters that hold a secret, made of these characters."""
    words = (
        "passw|passphrase|passwd|pwd|secret|token|signature|credential|api[-_.]?key|access[-_.]?key|account[-_.]?key"
        "|private[-_.]?key|authorization"
    )
    return f"(?:(?={inside}*(?:{words})){inside}*|pass|pw|sig|key|auth|jwt|sas|code)"


_PARAMETER = re.compile(rf"(?P<name>[?&;#]{_telling('[^=&;?#/]')}=)(?P<secret>{_BRACES}|[^&;\s\"<>]+)", re.IGNORECASE)
# In free text, as where an HTTP library tells the path that it has asked for.
_WORDS = _telling(r"[^=&;?#/<>(){}\s\"']")
_BARE = re.compile(rf"(?P<name>[?&;]{_WORDS}=)(?P<secret>{_BRACES}|[^&;\s\"<>]+)", re.IGNORECASE)
# Connection strings and settings, and what programs print of them.
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
"""What has to go before addresses are looked for: these secrets may hold what ends an address, or an ``@``."""
_PROPERTIES = re.compile(r"[^;@/?#]*;[A-Za-z][\w.-]*=")
_HEADER = re.compile(
    r"(?P<name>\bauthorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer)\s+)(?P<secret>[^\s'\",}]+)", re.IGNORECASE
)


def without_credentials(text: str) -> str:
    """A text whose addresses have neither user and password nor keys and tokens among their parameters.

    Where an address can be read in two ways, a password that holds ``/``, ``#``, ``?`` or ``@`` among them, the more is
    left out.

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
    """The same of a text that is one address as a whole, whose password may hold blanks and quotes, too."""
    place = _BRACED.sub(_hidden, place) if "{" in place else place
    found = _WHOLE.fullmatch(place)
    return without_credentials(found["scheme"] + _shown(found["scheme"], found["rest"]) if found else place)


def credentials(place: str) -> Iterator[str]:
    """The passwords, keys and tokens in an address, as written and decoded; nothing of a text that is none."""
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
            yield re.split(r"[,)]", other["secret"], maxsplit=1)[0]  # in parentheses, as MySQL has them


def userinfo(url: str) -> tuple[str, str, str]:
    """A URL without user and password, as servers are asked, and these two, decoded; empty where it has none."""
    found = _WHOLE.fullmatch(url)
    user, rest = _divided(found["scheme"], found["rest"], most=False) if found else ("", "")
    if not found or not user:
        return url, "", ""
    name, _, password = user.partition(":")
    return found["scheme"] + rest, unquote(name), unquote(password)


def _written(secret: str) -> Iterator[str]:
    """A secret as it stands in an address, and what it is there for: decoded, out of its braces and quotes."""
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
    """User and password of what follows a scheme, and the remainder.

    Args:
        most: Of several ``@`` the last ends the password, which may hold others, though a path may, too.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if at and ":" not in user and scheme.lower() in _CONTAINERS:
        return "", rest
    if (host := _PROPERTIES.match(authority)) and not _is_password(host[0].partition(";")[0]):
        return "", rest  # an @ is part of a property, as of a password that is not in braces
    if at and not most:
        return user, rest[len(user) + 1 :]
    if at and ":" not in user:  # a token, or the begin of an address of mail that is the user's name
        other, left = _divided(scheme, rest[len(user) + 1 :])
        return f"{user}@{other}".rstrip("@"), left
    if at or (scheme.lower() not in _PORTS_ALONE and _is_password(authority)):
        user, at, left = rest.rpartition("@")
        return (user, left) if at else ("", rest)
    return "", rest


def _is_password(authority: str) -> bool:
    """Whether what stands before the first slash is a user and the beginning of a password, not a host and its port.

    ``ana:12/ab@host`` and ``ana:8080/a@b`` are alike: a name without a dot is taken for a user.
    """
    name, colon, port = authority.partition(":")
    if not colon or name.startswith("["):
        return False
    return not name or not ((port.isdigit() or not port) and ("." in name or name == "localhost"))
