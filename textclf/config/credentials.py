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
_ORACLE = re.compile(r"(?P<head>jdbc:oracle:[a-z0-9]{1,31}:)(?P<secret>[^\s@/\"]{1,256}/[^\s\"]{0,1024})@")
_TELLING = "|".join(
    (
        "(?=[^=&;?#/]*(?:passw|passphrase|passwd|pwd|secret|token|signature|credential|api[-_.]?key|access[-_.]?key"
        "|account[-_.]?key|private[-_.]?key|authorization))[^=&;?#/]*",
        "pass|pw|sig|key|auth|jwt|sas|code",
    )
)
_PARAMETER = re.compile(rf"(?P<name>[?&;#](?:{_TELLING})=)(?P<secret>[^&;\s\"<>]+)", re.IGNORECASE)
# Connection strings, and what an HTTP library says of its headers.
_NAMED = re.compile(
    r"(?P<name>\b(?:(?:Shared)?Access(?:Key|Signature)|SharedAccessSignature|AccountKey|password|passwd|pwd)=)"
    r"(?P<secret>[^&;\s\"'<>]+)",
    re.IGNORECASE,
)
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
    text = _URL.sub(lambda found: found["scheme"] + _shown(found["scheme"], found["rest"]), text)
    text = _ORACLE.sub(lambda found: found["head"] + "@", text)
    for pattern in (_NAMED, _HEADER):
        text = pattern.sub(lambda found: found["name"] + HIDDEN, text)
    return text


def place_without_credentials(place: str) -> str:
    """The same of a text that is one address as a whole, whose password may hold blanks and quotes, too."""
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
    for pattern in (_NAMED, _HEADER):
        for other in pattern.finditer(place):
            yield from _written(other["secret"])


def userinfo(url: str) -> tuple[str, str, str]:
    """A URL without user and password, as servers are asked, and these two, decoded; empty where it has none."""
    found = _WHOLE.fullmatch(url)
    user, rest = _divided(found["scheme"], found["rest"], most=False) if found else ("", "")
    if not found or not user:
        return url, "", ""
    name, _, password = user.partition(":")
    return found["scheme"] + rest, unquote(name), unquote(password)


def _written(secret: str) -> Iterator[str]:
    if secret and secret != HIDDEN:
        yield secret
        yield unquote(secret)


def _shown(scheme: str, rest: str) -> str:
    return _PARAMETER.sub(lambda found: found["name"] + HIDDEN, _divided(scheme, rest)[1])


def _divided(scheme: str, rest: str, *, most: bool = True) -> tuple[str, str]:
    """User and password of what follows a scheme, and the remainder.

    Args:
        most: Of several ``@`` the last ends the password, which may hold others, though a path may, too.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if at and ":" not in user and scheme.lower() in _CONTAINERS:
        return "", rest
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
