"""Base class and common types of the pipeline file's sections."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)


class Section(BaseModel):
    """A section of the pipeline file: unknown keys are errors, and values are frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
"""A name that is safe as a folder, a partition value and a SQL literal."""
PartitionTypes = Literal["text", "inferred"]
"""How to read values in the names of partition folders: as text, or with the type that Spark infers."""
Count = Annotated[int, Field(ge=1, le=(1 << 31) - 1)]
"""A count that fits into Java's 32-bit integers, so that every part of the chain can hold it."""
Epochs = Annotated[int, Field(ge=1, le=1_000_000)]
Folds = Annotated[int, Field(ge=2, le=10_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[float, Field(gt=0)]

_COUNTS: TypeAdapter[tuple[Count, ...]] = TypeAdapter(tuple[Count, ...])


def _batch_sizes(given: Any, info: ValidationInfo) -> int | tuple[int, ...]:
    """Parse one size or several: a list or, where types are not strict, comma-separated as on the command line."""
    strict = bool((info.config or {}).get("strict"))
    read = given.split(",") if isinstance(given, str) and not strict else given
    parts = tuple(read) if isinstance(read, list | tuple) else (read,)
    try:
        sizes = _COUNTS.validate_python(parts, strict=strict)
    except ValidationError:
        sizes = ()
    if not sizes or any(isinstance(part, bool) for part in parts):
        raise ValueError("expected a number of rows of at least 1, or a list of them in order: [16, 64]")
    return sizes if len(sizes) > 1 else sizes[0]


BatchSizes = Annotated[int | tuple[int, ...], BeforeValidator(_batch_sizes)]
"""Rows of one training step: one size, or several that are used one after another."""
