"""Select the keys that go into a digest of settings, so that a key added later changes no digest at its default."""

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
"""Keys that digests have always included, whatever their value. Never add a key to a section here.

A section added later gets a line without keys, or with its first keys.

A key added later is part of a digest only if it differs from its default. So whatever was built before the key existed
has the digest that it would get today.
"""


def identity(value: Any, always: Collection[str] | None = None) -> Any:
    """Return a section, with the sections inside it, as plain values for a digest.

    Args:
        value: Section, or a value inside one.
        always: Keys of ``value`` itself that are kept whatever their value; by default those of ``ALWAYS``, or all
            keys if the section has no line there.

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
    """Return ``identity`` of a section as pydantic's JSON, for digests that were made from that text.

    Args:
        section: Section of the pipeline file.
        exclude: Keys of the section that the digest leaves out.
    """
    return section.model_dump_json(exclude={**_unsaid(section), **dict.fromkeys(exclude, True)})


def _unsaid(section: BaseModel) -> dict[str, Any]:
    """Return the keys added later that have their defaults, in the form of pydantic's ``exclude``."""
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
    """Return ``_unsaid`` of the sections in a list, by position."""
    sections = value if isinstance(value, list) and all(isinstance(each, BaseModel) for each in value) else []
    return {at: inside for at, each in enumerate(sections) if (inside := _unsaid(each))}
