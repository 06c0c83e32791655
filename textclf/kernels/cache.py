"""Location of numba's cache for textclf's kernels, which is keyed by the content of their source, not by its path."""

from collections.abc import Callable
from typing import Any

from numba.core.caching import _CacheLocator

from textclf.kernels.compiler import cache_folder, code_digest, code_name


class SourceLocator(_CacheLocator):
    """Keeps the code of all kernels in one folder; a module's code is valid for one content of its source and ``simd``.

    Executors import textclf from a zip whose path and times differ from run to run.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._module = function.__module__

    def get_cache_path(self) -> str:
        """Return the folder of the cache."""
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        """Return the digest that cached code must match to be used."""
        return code_digest(self._module)

    def get_disambiguator(self) -> str:
        """Return a part of the files' names."""
        return code_name(self._module)

    @classmethod
    def from_function(cls, function: Callable[..., Any], _file: str) -> "SourceLocator":
        """Make the locator of a kernel."""
        return cls(function)
