"""The pipeline file as digests see it, so that a release with a new key does not look like a changed file.

A digest covers the keys of the first release that stored digests, whatever their values, and of all later keys those
that differ from their defaults. So a file that says nothing of a new key has the digest that it had before the key.
"""

from collections.abc import Collection
from typing import Any

from textclf.config.section import Section

_PLAN = """strategy candidates folds epochs batch_size architecture architectures space spaces reduction nested
    one_standard_error beat_baseline"""
FIRST_KEYS = {
    "Source": """name path format columns text label encoding quoting delimiter header labels pattern
        max_record_bytes""",
    "Text": "num_words max_length",
    "Split": "method test_size seed",
    "SearchPlan": _PLAN,
    "Search": f"{_PLAN} sources",
    "Train": "keras_backend learning_rate schedule validation_size patience class_weights logs",
    "Score": """input id text source date model challenger backend all_scores evidence max_table_mb half gpu
        max_text_bytes changed_only copy_days since""",
    "Gate": """max_rejects max_unknown max_psi max_ks max_psi_test max_ks_test significance min_rows history
        unique_ids""",
    "Pipeline": """warehouse schema_name models sources text split search train score gate lock upkeep report nightly
        logs metrics lineage mlflow""",
}
"""By section, the keys that stand in every digest: nothing is ever added here, or digests of old runs are lost."""


def stored_json(section: Section, exclude: Collection[str] = ()) -> str:
    """A section, with those within it, as digests see it.

    Args:
        exclude: Keys of the section that a digest does not cover.
    """
    return section.model_dump_json(exclude={**_unsaid(section), **dict.fromkeys(exclude, True)})


def stored_values(section: Section) -> dict[str, Any]:
    """``stored_json``, as Python has it."""
    return section.model_dump(exclude=_unsaid(section))


def _unsaid(section: Section) -> dict[str, Any]:
    """Later keys that have their defaults, as pydantic is told what to leave out."""
    found: dict[str, Any] = {}
    first = FIRST_KEYS.get(type(section).__name__, " ".join(type(section).model_fields)).split()
    for name, about in type(section).model_fields.items():
        value = getattr(section, name)
        if name not in first and value == about.get_default(call_default_factory=True):
            found[name] = True
            continue
        inside: dict[Any, Any] = _unsaid(value) if isinstance(value, Section) else _of_each(value)
        if inside:
            found[name] = inside
    return found


def _of_each(value: Any) -> dict[int, Any]:
    """``_unsaid`` of the sections in a list, by their place in it."""
    sections = value if isinstance(value, list) and all(isinstance(each, Section) for each in value) else []
    return {at: inside for at, each in enumerate(sections) if (inside := _unsaid(each))}
