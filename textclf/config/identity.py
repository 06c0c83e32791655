"""What a digest of settings is made of: named keys, so that a later key that has its default changes no digest."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from textclf.config.model import Distribution, SearchPlan, Split, Text, Train

ALWAYS: Mapping[type[BaseModel], Collection[str]] = {
    Text: ("num_words", "max_length"),
    Split: ("method", "test_size", "seed"),
    Train: (
        "keras_backend", "learning_rate", "schedule", "validation_size", "patience", "class_weights", "logs",
    ),
    SearchPlan: (
        "strategy", "candidates", "folds", "epochs", "batch_size", "architecture", "architectures", "space", "spaces",
        "reduction", "nested", "one_standard_error", "beat_baseline",
    ),
    Distribution: ("low", "high", "log"),
}  # fmt: skip
"""Keys that digests have held from the beginning, whatever their value; never add one here.

A key that comes later is part of a digest only where it differs from its default: what was built before the key was
there has the digest that it would get today.
"""


def identity(value: Any, always: Collection[str] | None = None) -> Any:
    """A section as plain values for a digest, sections inside it too.

    Args:
        always: Keys of ``value`` itself that stay, whatever their value; those of ``ALWAYS`` by default.

    Example:
        >>> identity(Text(num_words=7))
        {'num_words': 7, 'max_length': 100}
        >>> identity(Text(num_words=7), always=())
        {'num_words': 7}
    """
    if isinstance(value, BaseModel):
        kept = ALWAYS.get(type(value), ()) if always is None else always
        fields = type(value).model_fields
        return {
            name: identity(getattr(value, name))
            for name, field in fields.items()
            if name in kept or getattr(value, name) != field.get_default(call_default_factory=True)
        }
    if isinstance(value, Mapping):
        return {key: identity(each) for key, each in value.items()}
    return [identity(each) for each in value] if isinstance(value, list | tuple) else value
