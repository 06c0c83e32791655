"""Where numba keeps the code of textclf's kernels: by content of their source, wherever that lies."""

from collections.abc import Callable
from typing import Any

from numba.core.caching import _CacheLocator

from textclf.kernels.compiler import cache_folder, code_digest, code_name


class SourceLocator(_CacheLocator):
    """One folder for all kernels; a module's kept code is valid for one text of its source and of ``lanes``.

    Executors import textclf from a zip whose path and times differ from run to run.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._module = function.__module__

    def get_cache_path(self) -> str:
        """The folder."""
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        """What kept code must agree with to be used."""
        return code_digest(self._module)

    def get_disambiguator(self) -> str:
        """Part of the files' names."""
        return code_name(self._module)

    @classmethod
    def from_function(cls, function: Callable[..., Any], _file: str) -> "SourceLocator":
        """The locator of a kernel."""
        return cls(function)
