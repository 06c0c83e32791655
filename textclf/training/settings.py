"""Settings of a fit, as distinct from the hyperparameters of a model."""

import difflib
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textclf.common.arrays import Float64
from textclf.config import BatchSizes, Pipeline
from textclf.config.base import Epochs
from textclf.errors import UsageError
from textclf.models import Architecture, KerasArchitecture


class FitSettings(BaseModel):
    """Settings of one fit; all except the seed apply to networks only.

    Attributes:
        epochs: Number of passes over the training rows.
        batch_size: Number of rows in a step. Several sizes are used for an equal number of epochs each, and the first
            ones for one more if the epochs do not divide evenly. Larger batches late have the effect of a falling
            learning rate, in fewer steps (Smith et al. 2018, "Don't Decay the Learning Rate, Increase the Batch Size").
        seed: Seed of initial weights, shuffling, dropout and the choice of validation rows.
        learning_rate: Learning rate of Adam (Kingma and Ba 2015); the default of .001 is that of the paper and of
            Keras. A rate that is too large ends the fit with an error, since no limit fits every network.
        schedule: ``constant``; ``cosine``, falling to 0 over all steps (Loshchilov and Hutter 2017); ``plateau``,
            halved after two epochs without a better loss.
        validation_size: Share of the training rows that is held out, the same for each label.
        patience: Number of epochs without a better validation loss after which a fit ends; the best weights are kept.
            Needs ``validation_size``, or a search, which validates on its folds; see ``check_patience``.
        class_weights: ``balanced`` weights a row by rows / (labels * rows of its label), as scikit-learn does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Epochs
    batch_size: BatchSizes
    seed: Annotated[int, Field(ge=0, lt=1 << 32)]
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.001
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    validation_size: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    patience: Epochs | None = None
    class_weights: Literal["equal", "balanced"] = "equal"

    @property
    def stretches(self) -> list[tuple[range, int]]:
        """Ranges of epochs, counted from 0, each with its batch size; sizes beyond the number of epochs are unused.

        Example:
            >>> FitSettings(epochs=5, batch_size="8,32", seed=1).stretches
            [(range(0, 3), 8), (range(3, 5), 32)]
        """
        sizes = self.batch_size if isinstance(self.batch_size, tuple) else (self.batch_size,)
        each, more = divmod(self.epochs, len(sizes))
        ends = [each * number + min(number, more) for number in range(len(sizes) + 1)]
        return [(range(*ends[at : at + 2]), size) for at, size in enumerate(sizes) if ends[at] < ends[at + 1]]

    def rates(self, epoch: int, steps: int, rate: float) -> Float64:
        """Return the learning rate of each step of an epoch: ``rate``, unless the schedule is cosine."""
        if self.schedule != "cosine":
            return np.full(steps, rate)
        epochs = epoch + np.arange(steps) / steps
        share: Float64 = 0.5 * (1 + np.cos(math.pi * epochs / self.epochs))
        return self.learning_rate * share


def used_by(made: Architecture) -> set[str]:
    """Return the names of the fit settings that apply to an architecture: only networks have epochs."""
    return set(FitSettings.model_fields) if isinstance(made, KerasArchitecture) else {"seed"}


def separate(pipeline: Pipeline, made: Architecture, overrides: Mapping[str, str]) -> tuple[Any, FitSettings]:
    """Separate ``--set KEY=VALUE`` pairs into hyperparameters and fit settings, on top of the pipeline file's values.

    Raises:
        UsageError: A key is neither, or a value is out of range.
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
    search, train = pipeline.search, pipeline.train.model_dump(include=set(FitSettings.model_fields))
    fit = train | {"epochs": search.epochs, "batch_size": search.batch_size, "seed": pipeline.split.seed}
    fit |= {key: value for key, value in overrides.items() if key in FitSettings.model_fields}
    try:
        settings = FitSettings.model_validate(fit)
    except ValidationError as error:
        name, received, expected = first_mistake(error)
        raise UsageError(
            "A fit setting is out of range.", received=f"--set {name}={received}", expected=expected
        ) from error
    return made.parse({key: value for key, value in overrides.items() if key not in FitSettings.model_fields}), settings


def check_patience(settings: FitSettings) -> None:
    """Check that a fit with patience holds out validation rows; otherwise it would monitor the training loss.

    ``FitSettings`` cannot check this, because a search validates on its folds.

    Raises:
        UsageError: ``patience`` is set without ``validation_size``.
    """
    if settings.patience is not None and settings.validation_size == 0:
        raise UsageError(
            "patience needs validation rows.",
            received=f"patience={settings.patience}, validation_size={settings.validation_size:g}",
            expected="with patience a validation_size above 0, the share of the training rows that is held out",
            fix="set validation_size too, such as validation_size=0.2, or leave out patience",
        )


def first_mistake(error: ValidationError) -> tuple[str, Any, str]:
    """Return the first setting that ``FitSettings`` refuses: its name, what was received and what is expected."""
    first = error.errors(include_url=False)[0]
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, expected ")
    return str(first["loc"][0]), first["input"], expected
