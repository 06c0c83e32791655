"""Embedding whose every position has weights of its own."""

from typing import Any

from textclf.models.base import InputShape, KerasArchitecture
from textclf.models.compilation import Compilation, WordSum
from textclf.models.embedding import EmbeddingHyperparameters, embedding_layer, hidden_and_output, hidden_tensors


class EmbeddingFlatten(KerasArchitecture):
    """Embedding, all positions side by side, a small dense layer, the output.

    Input: token indices, shape (batch, max_length). Output: shape (batch, 1), the probability of the second of
    two labels, or (batch, labels), the probabilities of more.

    Example:
        >>> shape = InputShape(vocabulary=1747, max_length=100, labels=2)
        >>> EmbeddingFlatten().parameter_count(EmbeddingHyperparameters(), shape)
        137371
    """

    name = "embedding_flatten"
    about = "embedding, flatten, a dense layer of 10"
    features = "sequences"
    hyperparameters = EmbeddingHyperparameters

    def tensors(self, hyperparameters: EmbeddingHyperparameters, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the trained tensors, in the order of the graph."""
        width = hyperparameters.embedding_dim
        return {
            "embedding.embeddings": (shape.vocabulary, width),
            **hidden_tensors(shape.max_length * width, shape),
        }

    def compilation(self, hyperparameters: EmbeddingHyperparameters) -> Compilation:
        """A sum over words, each with its position's weights."""
        return Compilation(WordSum("embedding.embeddings", by_position=True))

    def build(self, hyperparameters: EmbeddingHyperparameters, shape: InputShape) -> Any:
        """An untrained ``keras.Model``."""
        import keras
        from keras import layers

        return keras.Sequential(
            [
                keras.Input((shape.max_length,), dtype="int32"),
                embedding_layer(hyperparameters, shape),
                layers.Flatten(name="flatten"),
                *hidden_and_output(shape),
            ],
            name=self.name,
        )
