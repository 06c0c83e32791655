"""Dense network on word counts."""

from typing import Annotated, Any

from pydantic import Field

from textclf.models.base import Hyperparameters, InputShape, KerasArchitecture
from textclf.models.compilation import Compilation, WordSum
from textclf.models.embedding import output_tensors


class DenseHyperparameters(Hyperparameters):
    """The default is the tutorial's."""

    units: Annotated[int, Field(ge=1, le=65536)] = 10


class Dense(KerasArchitecture):
    """Word counts, one hidden layer, the output.

    Input: counts of the vocabulary's words, shape (batch, words). Output: shape (batch, 1), the probability of the
    second of two labels, or (batch, labels), the probabilities of more.

    Example:
        >>> Dense().parameter_count(DenseHyperparameters(), InputShape(vocabulary=2506, max_length=100, labels=2))
        25071
    """

    name = "dense"
    about = "dense network on word counts"
    features = "counts"
    tokenizer = "words"
    hyperparameters = DenseHyperparameters

    def tensors(self, hyperparameters: DenseHyperparameters, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the trained tensors, in the order of the graph."""
        units = hyperparameters.units
        # Index 0 is the padding's, not a word's.
        return {
            "hidden.kernel": (shape.vocabulary - 1, units),
            "hidden.bias": (units,),
            **output_tensors(units, shape),
        }

    def compilation(self, hyperparameters: DenseHyperparameters) -> Compilation:
        """A sum of the hidden layer's rows."""
        return Compilation(WordSum())

    def build(self, hyperparameters: DenseHyperparameters, shape: InputShape) -> Any:
        """An untrained ``keras.Model``."""
        import keras
        from keras import layers

        return keras.Sequential(
            [
                keras.Input((shape.vocabulary - 1,)),
                layers.Dense(hyperparameters.units, activation="relu", name="hidden"),
                layers.Dense(shape.outputs, activation=shape.activation, name="output"),
            ],
            name=self.name,
        )
