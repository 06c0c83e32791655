"""Spark's settings where no Spark runs: what a command needs to open the places that jobs open."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from textclf.common.secrets import remember
from textclf.errors import UsageError

PROPERTIES = "TEXTCLF_PROPERTIES_FILE"
"""Environment variable with the path of a file of Spark's settings, which stands for ``spark-defaults.conf``."""
_HADOOP = "spark.hadoop."
_AMAZON = re.compile(r"(?:https?://)?s3(?:[.-]([a-z]+(?:-[a-z]+)+-[0-9]+))?\.amazonaws\.com(?:\.cn)?/?")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEPTH = 20  # of variables within variables, as in Hadoop
_BLANKS = " \t\f"
_TRIMMED = "".join(map(chr, range(33))).replace("\r", "").replace("\n", "")  # of values, by Spark
_PAIR = re.compile(r"((?:\\.|[^\\ \t\f=:])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.|\Z)", re.DOTALL)
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def properties_in(path: Path) -> dict[str, str]:
    """Read a file of settings such as ``spark-defaults.conf``, as Spark does: with ``java.util.Properties``.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # other ends of lines have become this one
    except (OSError, ValueError) as error:
        raise UsageError("The properties file cannot be read.", received=error) from error
    pairs = (match.groups() for line in _joined(lines) if (match := _PAIR.fullmatch(line)))
    return {_unescaped(name): _unescaped(value).strip(_TRIMMED) for name, value in pairs}


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without comments; a line that ends in a backslash goes on with the next one."""
    begun = ""
    for line in lines:
        rest = line.lstrip(_BLANKS)
        if not begun and (not rest or rest[0] in "#!"):
            continue
        if (len(rest) - len(rest.rstrip("\\"))) % 2:
            begun += rest[:-1]
            continue
        yield begun + rest
        begun = ""
    if begun:
        yield begun


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _meaning(found[1]), text)


def _meaning(escaped: str) -> str:
    return chr(int(escaped[1:], 16)) if len(escaped) == 5 else _CONTROLS.get(escaped, escaped)


def spark_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return ``SPARK_HOME``, or else the Spark inside the installed ``pyspark`` package.

    Raises:
        ModuleNotFoundError: There is neither.
    """
    if given := environ.get("SPARK_HOME"):
        return Path(given)
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'pyspark'", name="pyspark")
    return Path(found.origin).parent


def default_properties(environ: Mapping[str, str]) -> dict[str, str]:
    """Read ``spark-defaults.conf`` in ``SPARK_CONF_DIR`` or below ``spark_home``; there need be none.

    Raises:
        UsageError: There is such a file, but it cannot be read.
    """
    folder = environ.get("SPARK_CONF_DIR") or spark_home(environ) / "conf"
    path = Path(folder, "spark-defaults.conf")
    return properties_in(path) if path.exists() else {}


def hadoop_settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Hadoop's settings by name, as a job would have them: of ``core-site.xml``, and above it those of Spark.

    Args:
        environ: Environment variables: ``HADOOP_CONF_DIR``, ``TEXTCLF_PROPERTIES_FILE`` and those of
            ``default_properties``.

    Raises:
        UsageError: A file of settings cannot be read.
    """
    found: dict[str, str] = {}
    site = Path(environ.get("HADOOP_CONF_DIR") or "", "core-site.xml")
    if environ.get("HADOOP_CONF_DIR") and site.exists():
        try:
            listed = ElementTree.parse(site).getroot().iter("property")
        except (OSError, ElementTree.ParseError) as error:
            raise UsageError("Hadoop's settings cannot be read.", received=f"{site}: {error}") from error
        found |= {each.findtext("name", "").strip(): each.findtext("value", "").strip() for each in listed}
        found = {name: value for name in found if (value := _expanded(name, found, environ)) is not None}
    named = environ.get(PROPERTIES)
    settings = properties_in(Path(named)) if named else default_properties(environ)
    return found | {name.removeprefix(_HADOOP): value for name, value in settings.items() if name.startswith(_HADOOP)}


def _expanded(name: str, found: Mapping[str, str], environ: Mapping[str, str], depth: int = 0) -> str | None:
    """A value of Hadoop's with its variables, ``${env.NAME}``, ``${env.NAME:-default}`` and ``${name}``, replaced.

    None where one of them has no value, or stands for itself.
    """
    missing: list[str] = []

    def value(match: re.Match[str]) -> str:
        variable = match[1]
        if variable.startswith("env."):
            known, sign, default = variable.removeprefix("env.").partition(":-")
            given = environ.get(known, default if sign else None)
        else:
            given = _expanded(variable, found, environ, depth + 1) if variable in found and depth < _DEPTH else None
        missing.extend([] if given is not None else [variable])
        return given or ""

    expanded = _VARIABLE.sub(value, found[name])
    return None if missing else expanded


@dataclass(frozen=True)
class S3Settings:
    """How a bucket of an S3 store is reached; None for what is not set.

    Names: https://hadoop.apache.org/docs/r3.5.0/hadoop-aws/tools/hadoop-aws/index.html.

    Attributes:
        endpoint: URL of the store.
        path_style: Whether the bucket is part of the path and not of the host's name.
    """

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    path_style: bool | None = None

    @classmethod
    def of(cls, bucket: str, settings: Mapping[str, str]) -> "S3Settings":
        """Take a bucket's settings from Hadoop's: its own, or else those of all buckets."""

        def get(name: str) -> str | None:
            own = settings.get(f"fs.s3a.bucket.{bucket}.{name}")
            return own or settings.get(f"fs.s3a.{name}") or None

        endpoint, style = get("endpoint"), get("path.style.access")
        region = get("endpoint.region")
        if endpoint is not None and (amazon := _AMAZON.fullmatch(endpoint)):
            endpoint, region = None, region or amazon[1]  # what is left finds Amazon by the region
        elif endpoint is not None and "://" not in endpoint:
            secure = (get("connection.ssl.enabled") or "true").lower() != "false"
            endpoint = f"{'https' if secure else 'http'}://{endpoint}"
        keys = {name: get(name.replace("_", ".")) for name in ("access_key", "secret_key", "session_token")}
        for value in filter(None, keys.values()):
            remember("fs.s3a", value)
        return cls(
            endpoint and endpoint.rstrip("/"),
            region,
            **keys,
            path_style=None if style is None else style.lower() == "true",
        )

    def for_arrow(self) -> dict[str, Any]:
        """Arguments of ``pyarrow.fs.S3FileSystem``; empty where nothing is set."""
        scheme, _, host = (self.endpoint or "").rpartition("://")
        found = {
            "endpoint_override": host,
            "scheme": scheme,
            "region": self.region or (self.endpoint and "us-east-1"),  # Arrow would ask Amazon
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "session_token": self.session_token,
        }
        made: dict[str, Any] = {name: value for name, value in found.items() if value}
        return made | ({} if self.path_style is None else {"force_virtual_addressing": not self.path_style})

    def for_deltalake(self) -> dict[str, str]:
        """Storage options of ``deltalake.DeltaTable``; empty where nothing is set."""
        found = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true" if (self.endpoint or "").startswith("http://") else None,
            "AWS_REGION": self.region or (self.endpoint and "us-east-1"),
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.session_token,
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": None if self.path_style is None else str(not self.path_style).lower(),
        }
        return {name: value for name, value in found.items() if value}


def s3_settings(location: str) -> S3Settings | None:
    """Return how the bucket of a URL is reached by Spark's settings; None for another scheme or without such settings.

    Raises:
        UsageError: A file of settings cannot be read.
    """
    scheme, _, rest = location.partition("://")
    if scheme not in ("s3", "s3a", "s3n"):
        return None
    bucket = rest.partition("/")[0]
    found = S3Settings.of(bucket, hadoop_settings())
    if found == S3Settings():
        return None
    if not (found.region or found.endpoint or os.environ.get("AWS_REGION")):
        with suppress(OSError):  # the request itself will say it
            return replace(found, region=_region_of(bucket))
    return found


@cache
def _region_of(bucket: str) -> str:
    """Ask Amazon for a bucket's region, once for all tables and models in it."""
    from pyarrow import fs  # every job's wrapper imports this module

    return str(fs.resolve_s3_region(bucket))
