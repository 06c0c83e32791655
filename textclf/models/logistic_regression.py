"""Logistic regression on word counts, the baseline of the tutorial."""

from typing import Annotated

from pydantic import Field

from textclf.models.base import Architecture, Hyperparameters, InputShape
from textclf.models.compilation import Compilation, WordSum


class LogisticRegressionHyperparameters(Hyperparameters):
    """``C`` is the inverse of the L2 penalty's weight, ``max_iter`` the limit of solver steps."""

    C: Annotated[float, Field(gt=0.0, le=1e6)] = 1.0
    max_iter: Annotated[int, Field(ge=1, le=1_000_000)] = 1000


class LogisticRegression(Architecture):
    """One weight for each word and label, times the word's count in the text.

    With two labels there is one column of weights, the second label's. Index 0 of the vocabulary, the
    padding's, has no weight: counts have no padding. Weights keep the solver's double precision.

    Example:
        >>> shape = InputShape(vocabulary=1715, max_length=100, labels=2)
        >>> LogisticRegression().parameter_count(LogisticRegressionHyperparameters(), shape)
        1715
    """

    name = "logistic_regression"
    about = "logistic regression on word counts"
    features = "counts"
    tokenizer = "words"
    dtype = "float64"
    hyperparameters = LogisticRegressionHyperparameters

    def tensors(
        self,
        hyperparameters: LogisticRegressionHyperparameters,
        shape: InputShape,
    ) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the trained tensors."""
        return {"output.kernel": (shape.vocabulary - 1, shape.outputs), "output.bias": (shape.outputs,)}

    def compilation(self, hyperparameters: LogisticRegressionHyperparameters) -> Compilation:
        """A sum of the output layer's rows."""
        return Compilation(WordSum(), hidden=None)
