"""Locales with UTF-8, in which Java can name files; in the C locale it writes non-ASCII letters as question marks."""

import locale
import os
import re
import subprocess
from collections.abc import Iterator, Mapping

EVERYWHERE = "C.UTF-8"
"""Locale of Debian, Red Hat (from 8 on) and Alpine images, which often have no other."""
_UTF8_LOCALE = re.compile(r".+\.utf-?8(@.*)?", re.IGNORECASE)


def utf8_locale(environ: Mapping[str, str], master: str = "") -> str:
    """Return the locale for Java and Python on other machines.

    This is the locale of this process if its encoding is UTF-8: machines of one cluster most likely have it, too, and
    older ones lack ``C.UTF-8``. Container images have ``C.UTF-8`` and often lack the locales of people's machines.

    Args:
        environ: Environment of this process.
        master: Spark's master.
    """
    if master.startswith("k8s"):
        return EVERYWHERE
    # In the order in which the system reads them.
    given = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "")
    return given if _UTF8_LOCALE.fullmatch(given) else EVERYWHERE


def use_utf8() -> None:
    """Make programs that this process starts use UTF-8, if its own locale does not.

    The locale may be one that this machine lacks, for example one that ``ssh`` has brought from another machine.
    """
    if locale.nl_langinfo(locale.CODESET).upper() != "UTF-8":
        os.environ["LC_ALL"] = next(_here(), EVERYWHERE)


def _here() -> Iterator[str]:
    """Yield the locales of this machine with UTF-8."""
    for name in (EVERYWHERE, "en_US.UTF-8"):
        if _is_here(name):
            yield name
    try:
        said = subprocess.run(["locale", "-a"], capture_output=True, text=True, errors="replace", check=False).stdout
    except OSError:
        return
    yield from (name for name in said.split() if _UTF8_LOCALE.fullmatch(name) and _is_here(name))


def _is_here(name: str) -> bool:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
        return locale.nl_langinfo(locale.CODESET).upper() == "UTF-8"
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
