"""Where numba keeps the code of textclf's kernels: by content of their source, wherever that lies."""

import hashlib
import sys
from collections.abc import Callable
from typing import Any

from numba.core.caching import _CacheLocator

from textclf.text.jit import cache_folder


class SourceLocator(_CacheLocator):
    """One folder for all kernels; a module's kept code is valid for one text of its source.

    Executors import textclf from a zip whose path and times differ from run to run.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._module = function.__module__
        source = sys.modules[self._module].__spec__.loader.get_source(self._module)  # type: ignore[union-attr]
        self._stamp = hashlib.sha256(source.encode()).hexdigest()

    def get_cache_path(self) -> str:
        """The folder."""
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        """What kept code must agree with to be used."""
        return self._stamp

    def get_disambiguator(self) -> str:
        """Part of the files' names: releases with other kernels keep theirs beside these."""
        return f"{self._module}-{self._stamp[:12]}"

    @classmethod
    def from_function(cls, function: Callable[..., Any], _file: str) -> "SourceLocator":
        """The locator of a kernel."""
        return cls(function)
