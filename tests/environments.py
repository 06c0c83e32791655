"""What the process has been told to mask, for the time of a test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from textclf.common import secrets


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Within it these variables, and no others, have come into a pipeline file."""
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
