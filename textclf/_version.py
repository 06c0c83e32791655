"""Which code runs."""

from functools import cache
from pathlib import Path

__version__ = "0.9.0"


@cache
def code_version() -> str:
    """The package's version; in a checkout with the commit and whether files differ from it."""
    import subprocess  # importing textclf alone stays light

    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return __version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):  # no git here, or a checkout that it does not trust
        return __version__
    return f"{__version__}+{found.stdout.strip()}"
