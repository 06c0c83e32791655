"""Set the environment variables that are masked as secrets during a test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from textclf.common import secrets


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Within this context, exactly these variables count as used by a pipeline file, and so are masked."""
    stores = (secrets._KNOWN, secrets._VALUES, secrets._FORMS)
    before = [dict(store) for store in stores]
    secrets._PATTERN.clear()
    for store in stores:
        store.clear()
    try:
        for name, value in values.items():
            secrets.remember(name, value)
        yield
    finally:
        secrets._PATTERN.clear()
        for store, kept in zip(stores, before, strict=True):
            store.clear()
            store.update(kept)
