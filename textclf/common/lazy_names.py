"""Names of a package that are imported on first use, so that importing the package does not load all of it."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(
    package: str, homes: Mapping[str, str], names: Mapping[str, str] | None = None
) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a package (PEP 562).

    Args:
        package: Name of the package.
        homes: Module of each name, relative to the package.
        names: Names that are others in their module; by default none.
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{homes[name]}"), (names or {}).get(name, name))
        setattr(sys.modules[package], name, found)
        return found

    return find
