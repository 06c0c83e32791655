"""Find the classes that the modules of a package define, so that a new file needs no line in a table."""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

Base = TypeVar("Base")


def named_classes(package: ModuleType, base: type[Base]) -> dict[str, type[Base]]:
    """The subclasses of ``base`` that a package's modules define and name, in the order of their modules.

    Modules are found through the package's path, so they are found in a zip archive, too.

    Args:
        package: Package whose modules are imported; its subpackages are left out.
        base: Class with an attribute ``name``. A subclass that does not set it itself, such as one that others share
            code through, is not listed.

    Returns:
        The classes by their ``name``.

    Raises:
        TypeError: Two classes have the same name.
    """
    found: dict[str, type[Base]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.ispkg:
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            own = isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
            if not own or "name" not in vars(value):
                continue
            name = vars(value)["name"]
            if name in found:
                raise TypeError(f"{found[name].__module__} and {module.__name__} both define {name!r}; rename one.")
            found[name] = value
    return found
