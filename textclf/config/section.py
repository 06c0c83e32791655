"""What the sections of the pipeline file have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section of the pipeline file: unknown keys are mistakes, values never change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[float, Field(gt=0)]
