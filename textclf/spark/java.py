"""Find a Java that Spark can run on, or install one with the system's package manager."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from textclf.common.atomic_files import has_account
from textclf.errors import TextclfError

MINIMUM = 17  # Spark 4 runs on Java 17 and later
_HOMES = (
    "/usr/lib/jvm/*",
    "/opt/java/*",
    "/opt/homebrew/opt/openjdk@*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
)
# Packages to try for each package manager, in order; Debian 13 and later have no Java 17 but a newer one.
_INSTALLERS = {
    "apt-get": ["openjdk-17-jre-headless", "openjdk-21-jre-headless", "default-jre-headless"],
    "dnf": ["java-17-openjdk-headless", "java-21-openjdk-headless"],
    "apk": ["openjdk17-jre-headless"],
    "zypper": ["java-17-openjdk-headless"],
    "brew": ["openjdk@17"],
}


class JavaError(TextclfError):
    """There is no Java that Spark can run on."""


class AccountError(TextclfError):
    """The system does not know the user that this process runs as."""


def find_java() -> Path | None:
    """Return the home of the first Java of version 17 or later from ``JAVA_HOME``, ``PATH`` and the usual folders."""
    on_path = shutil.which("java")
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += [Path(on_path).resolve().parent.parent] if on_path else []
    for pattern in _HOMES:
        homes += sorted(Path("/").glob(pattern.lstrip("/")))
    return next((home for home in homes if java_version(home) >= MINIMUM), None)


@cache
def java_version(home: Path) -> int:
    """Return the major version of the Java at ``home``; 0 if there is none that runs."""
    java = home / "bin" / "java"
    if not os.access(java, os.X_OK):
        return 0
    printed = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(?:1\.)?(\d+)', printed)
    return int(match[1]) if match else 0


def java_home() -> Path:
    """Return the home of a usable Java, without installing one.

    Raises:
        JavaError: No usable Java was found.
    """
    home = find_java()
    if home is None:
        raise JavaError(
            f"No Java {MINIMUM} or later was found.",
            received=f"JAVA_HOME={os.environ.get('JAVA_HOME', '')!r}, PATH without a usable java",
            expected=f"Java {MINIMUM} or later",
            fix="install it: make setup, or for example sudo apt-get install openjdk-17-jre-headless; or set JAVA_HOME",
        )
    return home


def check_account() -> None:
    """Refuse a user that the system knows only by number: Hadoop asks for the user's name, and Java exits without one.

    Raises:
        AccountError: The user has no account.
    """
    if not has_account():
        raise AccountError(
            "Spark cannot run as a user without an account.",
            received=f"user {os.geteuid()}, which is not in /etc/passwd or the system's other lists of users",
            expected="a user with a name",
            fix="run as another user, or give this one a name, for example in a container image with "
            f"echo 'textclf:x:{os.geteuid()}:{os.getegid()}::/tmp:/bin/sh' >> /etc/passwd",
        )


def install_java() -> None:
    """Install Java with the system's package manager, if this user may. Only setup calls this."""
    manager = next((name for name in _INSTALLERS if shutil.which(name)), None)
    if manager is None:
        return
    prefix: list[str] = []
    if manager != "brew" and os.geteuid() != 0:
        if (
            subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode
            if shutil.which("sudo")
            else 1
        ):
            return
        prefix = ["sudo", "-n"]
    if manager == "apt-get":
        subprocess.run([*prefix, "apt-get", "update", "-qq"], check=False)
    verb = {"apk": ["add"], "apt-get": ["install", "-y", "-qq"], "brew": ["install"]}.get(manager, ["install", "-y"])
    for package in _INSTALLERS[manager]:
        if subprocess.run([*prefix, manager, *verb, package], check=False).returncode == 0:
            return
