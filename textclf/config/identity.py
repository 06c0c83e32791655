"""What a digest of settings is made of: named keys, so that a later key that has its default changes no digest."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from textclf.config.operations import Lineage, Logs, Metrics, Nightly
from textclf.config.pipeline import (
    Distribution,
    Gate,
    Ingest,
    Lock,
    Mlflow,
    Pipeline,
    Report,
    Score,
    Search,
    SearchPlan,
    Split,
    Text,
    Train,
    Upkeep,
)
from textclf.config.source import Source

_PLAN = (
    "strategy", "candidates", "folds", "epochs", "batch_size", "architecture", "architectures", "space", "spaces",
    "reduction", "nested", "one_standard_error", "beat_baseline",
)  # fmt: skip
ALWAYS: Mapping[type[BaseModel], Collection[str]] = {
    Pipeline: (
        "warehouse", "schema_name", "models", "sources", "text", "split", "search", "train", "score", "gate", "lock",
        "upkeep", "report", "nightly", "logs", "metrics", "lineage", "mlflow",
    ),
    Source: (
        "name", "path", "format", "columns", "text", "label", "encoding", "quoting", "delimiter", "header", "labels",
        "pattern", "max_record_bytes",
    ),
    Ingest: (),
    Text: ("num_words", "max_length"),
    Split: ("method", "test_size", "seed"),
    Train: (
        "keras_backend", "learning_rate", "schedule", "validation_size", "patience", "class_weights", "logs",
    ),
    SearchPlan: _PLAN,
    Search: (*_PLAN, "sources"),
    Score: (
        "input", "id", "text", "source", "date", "model", "challenger", "backend", "all_scores", "evidence",
        "max_table_mb", "half", "gpu", "max_text_bytes", "changed_only", "copy_days", "since",
    ),
    Gate: (
        "max_rejects", "max_unknown", "max_psi", "max_ks", "max_psi_test", "max_ks_test", "significance", "min_rows",
        "history", "unique_ids",
    ),
    Distribution: ("low", "high", "log"),
    Lock: ("lease",),
    Upkeep: ("retention_days", "short_retention", "small_file_mb"),
    Report: ("texts", "examples"),
    Nightly: (
        "every_days", "max_psi", "min_growth", "build", "late_days", "parallel", "retries", "pause", "status",
    ),
    Logs: ("format",),
    Metrics: ("file", "pushgateway", "timeout"),
    Lineage: ("url", "namespace"),
    Mlflow: ("tracking_uri", "experiment", "timeout"),
}  # fmt: skip
"""Keys that digests have held from the beginning, whatever their value; never add one to a section here.

A section of its own that comes later gets a line without keys, or with those that it began with.

A key that comes later is part of a digest only where it differs from its default: what was built before the key was
there has the digest that it would get today.
"""


def identity(value: Any, always: Collection[str] | None = None) -> Any:
    """A section as plain values for a digest, sections inside it too.

    Args:
        always: Keys of ``value`` itself that stay, whatever their value; by default those of ``ALWAYS``,
            and all where it has no line.

    Example:
        >>> identity(Text(num_words=7))
        {'num_words': 7, 'max_length': 100}
        >>> identity(Text(num_words=7), always=())
        {'num_words': 7}
    """
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        kept = ALWAYS.get(type(value), fields) if always is None else always
        return {
            name: identity(getattr(value, name))
            for name, field in fields.items()
            if name in kept or getattr(value, name) != field.get_default(call_default_factory=True)
        }
    if isinstance(value, Mapping):
        return {key: identity(each) for key, each in value.items()}
    return [identity(each) for each in value] if isinstance(value, list | tuple) else value


def stored_json(section: BaseModel, exclude: Collection[str] = ()) -> str:
    """``identity`` as pydantic writes it, for digests that were made of that text; by the same rule.

    Args:
        exclude: Keys of the section that a digest does not cover.
    """
    return section.model_dump_json(exclude={**_unsaid(section), **dict.fromkeys(exclude, True)})


def _unsaid(section: BaseModel) -> dict[str, Any]:
    """Later keys that have their defaults, as pydantic is told what to leave out."""
    found: dict[str, Any] = {}
    fields = type(section).model_fields
    first = ALWAYS.get(type(section), fields)
    for name, about in fields.items():
        value = getattr(section, name)
        if name not in first and value == about.get_default(call_default_factory=True):
            found[name] = True
            continue
        inside: dict[Any, Any] = _unsaid(value) if isinstance(value, BaseModel) else _of_each(value)
        if inside:
            found[name] = inside
    return found


def _of_each(value: Any) -> dict[int, Any]:
    """``_unsaid`` of the sections in a list, by their place in it."""
    sections = value if isinstance(value, list) and all(isinstance(each, BaseModel) for each in value) else []
    return {at: inside for at, each in enumerate(sections) if (inside := _unsaid(each))}
