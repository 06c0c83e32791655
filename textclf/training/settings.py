"""How a model is fitted, as apart from what the model is."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textclf.config import Pipeline
from textclf.errors import UsageError
from textclf.models import Architecture, KerasArchitecture


class FitSettings(BaseModel):
    """Settings of one fit.

    Attributes:
        epochs: Passes over the training rows; networks only.
        batch_size: Rows of one step; networks only.
        learning_rate: Of Adam (Kingma and Ba 2015), whose default of .001 Keras uses too.
        seed: Of initial weights, shuffling and dropout.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0, lt=1 << 32)]
    learning_rate: Annotated[float, Field(gt=0, lt=10)] = 0.001


def used_by(made: Architecture) -> set[str]:
    """Names of the fit settings that mean something to an architecture: only networks have epochs."""
    return set(FitSettings.model_fields) if isinstance(made, KerasArchitecture) else {"seed"}


def separate(pipeline: Pipeline, made: Architecture, overrides: Mapping[str, str]) -> tuple[Any, FitSettings]:
    """Hyperparameters and fit settings from ``--set KEY=VALUE`` pairs over the pipeline file's values.

    Raises:
        UsageError: A key that is neither, or a value out of range.
    """
    known = set(made.hyperparameters.model_fields) | used_by(made)
    for key in overrides:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise UsageError(
                f"Architecture {made.name} has no such setting.",
                received=f"--set {key}={overrides[key]}",
                expected=f"one of: {', '.join(sorted(known))}",
                fix=f"did you mean {near[0]}?" if near else None,
            )
    search = pipeline.search
    fit: dict[str, Any] = {"epochs": search.epochs, "batch_size": search.batch_size, "seed": pipeline.split.seed}
    fit |= {key: value for key, value in overrides.items() if key in FitSettings.model_fields}
    try:
        settings = FitSettings.model_validate(fit)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            "A fit setting is out of range.",
            received=f"--set {first['loc'][0]}={first['input']}",
            expected=first["msg"].removeprefix("Input should be "),
        ) from error
    return made.parse({key: value for key, value in overrides.items() if key not in FitSettings.model_fields}), settings
