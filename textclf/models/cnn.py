"""The convolutional network of the tutorial."""

from typing import Annotated, Any

from pydantic import Field

from textclf.models.base import InputShape, KerasArchitecture, Windows, check_window
from textclf.models.compilation import Compilation, WindowMaximum
from textclf.models.embedding import (
    HIDDEN,
    EmbeddingHyperparameters,
    embedding_layer,
    hidden_and_output,
    hidden_tensors,
)


class CnnHyperparameters(EmbeddingHyperparameters):
    """The defaults are the tutorial's."""

    num_filters: Annotated[int, Field(ge=1, le=4096)] = 128
    kernel_size: Annotated[int, Field(ge=1, le=512)] = 5
    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 100


class Cnn(KerasArchitecture):
    """Embedding, one convolution over the tokens, its maximum over the text, a small dense layer, the output.

    Input: token indices, shape (batch, max_length). Output: shape (batch, 1), the probability of the second of
    two labels, or (batch, labels), the probabilities of more.

    Example:
        >>> Cnn().parameter_count(CnnHyperparameters(), InputShape(vocabulary=1747, max_length=100, labels=2))
        240129
    """

    name = "cnn"
    about = "embedding, convolution, global max pooling, a dense layer of 10"
    features = "sequences"
    hyperparameters = CnnHyperparameters

    def tensors(self, hyperparameters: CnnHyperparameters, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the trained tensors, in the order of the graph."""
        filters, dim = hyperparameters.num_filters, hyperparameters.embedding_dim
        return {
            "embedding.embeddings": (shape.vocabulary, dim),
            "convolution.kernel": (hyperparameters.kernel_size, dim, filters),
            "convolution.bias": (filters,),
            **hidden_tensors(filters, shape),
        }

    def check(self, hyperparameters: CnnHyperparameters, shape: InputShape) -> None:
        """Refuse a kernel wider than the text."""
        check_window("kernel_size", hyperparameters.kernel_size, shape)

    def padding(self, hyperparameters: CnnHyperparameters) -> int:
        """A window of padding alone must remain: with ReLU it can be the strongest."""
        return hyperparameters.kernel_size

    def compilation(self, hyperparameters: CnnHyperparameters) -> Compilation:
        """One convolution and the hidden layer."""
        return Compilation((WindowMaximum(("embedding.embeddings",), "convolution"),))

    def windows(self, hyperparameters: CnnHyperparameters, shape: InputShape) -> Windows | None:
        """The graph of ``build``, unless its embedding is frozen."""
        if not hyperparameters.train_embedding:
            return None
        dense = (HIDDEN, "relu"), (shape.outputs, shape.activation)
        wanted = hyperparameters
        return Windows(shape.vocabulary, wanted.embedding_dim, wanted.kernel_size, wanted.num_filters, dense)

    def build(self, hyperparameters: CnnHyperparameters, shape: InputShape) -> Any:
        """An untrained ``keras.Model``."""
        import keras
        from keras import layers

        return keras.Sequential(
            [
                keras.Input((shape.max_length,), dtype="int32"),
                embedding_layer(hyperparameters, shape),
                layers.Conv1D(
                    hyperparameters.num_filters, hyperparameters.kernel_size, activation="relu", name="convolution"
                ),
                layers.GlobalMaxPooling1D(name="maximum"),
                *hidden_and_output(shape),
            ],
            name=self.name,
        )
