"""What the sections of the pipeline file have in common."""

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
    """A section of the pipeline file: unknown keys are mistakes, values never change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
"""A name that is safe as a folder, a partition value and a SQL literal."""
PartitionTypes = Literal["text", "inferred"]
"""What values in the names of partition folders are: texts, or of the type that Spark infers."""
Count = Annotated[int, Field(ge=1, le=(1 << 31) - 1)]
"""How many of something: a number that every part of the chain can hold, as those of Java."""
Epochs = Annotated[int, Field(ge=1, le=1_000_000)]
Folds = Annotated[int, Field(ge=2, le=10_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[float, Field(gt=0)]

_COUNTS: TypeAdapter[tuple[Count, ...]] = TypeAdapter(tuple[Count, ...])


def _batch_sizes(given: Any, info: ValidationInfo) -> int | tuple[int, ...]:
    """One size, or several: a list or, where types are not strict, text with commas as on the command line."""
    strict = bool((info.config or {}).get("strict"))
    read = given.split(",") if isinstance(given, str) and not strict else given
    parts = tuple(read) if isinstance(read, list | tuple) else (read,)
    try:
        sizes = _COUNTS.validate_python(parts, strict=strict)
    except ValidationError:
        sizes = ()
    if not sizes or any(isinstance(part, bool) for part in parts):
        raise ValueError("expected a number of rows, 1 or more, or several that follow each other: [16, 64]")
    return sizes if len(sizes) > 1 else sizes[0]


BatchSizes = Annotated[int | tuple[int, ...], BeforeValidator(_batch_sizes)]
"""Rows of one training step: one size, or several that follow each other."""
