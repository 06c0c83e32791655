"""Embeddings pooled over the text: the strongest value of each feature, or the mean."""

from typing import Any

from textclf.models.base import InputShape, KerasArchitecture
from textclf.models.compilation import Compilation, WindowMaximum, WordSum
from textclf.models.embedding import EmbeddingHyperparameters, embedding_layer, hidden_and_output, hidden_tensors


class _EmbeddingPooling(KerasArchitecture):
    features = "sequences"
    hyperparameters = EmbeddingHyperparameters

    def tensors(self, hyperparameters: EmbeddingHyperparameters, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the trained tensors, in the order of the graph."""
        width = hyperparameters.embedding_dim
        return {"embedding.embeddings": (shape.vocabulary, width), **hidden_tensors(width, shape)}

    def build(self, hyperparameters: EmbeddingHyperparameters, shape: InputShape) -> Any:
        """An untrained ``keras.Model``."""
        import keras

        indices = keras.Input((shape.max_length,), dtype="int32")
        features = self._pool(indices, embedding_layer(hyperparameters, shape)(indices))
        for layer in hidden_and_output(shape):
            features = layer(features)
        return keras.Model(indices, features, name=self.name)

    def _pool(self, indices: Any, vectors: Any) -> Any:
        raise NotImplementedError


class EmbeddingMaxPooling(_EmbeddingPooling):
    """Embedding, its maximum over the text, a small dense layer, the output.

    Padding takes part in the maximum, as in the tutorial.

    Input: token indices, shape (batch, max_length). Output: shape (batch, 1), the probability of the second of
    two labels, or (batch, labels), the probabilities of more.

    Example:
        >>> shape = InputShape(vocabulary=1747, max_length=100, labels=2)
        >>> EmbeddingMaxPooling().parameter_count(EmbeddingHyperparameters(), shape)
        87871
    """

    name = "embedding_max_pooling"
    about = "embedding, global max pooling, a dense layer of 10"

    def compilation(self, hyperparameters: EmbeddingHyperparameters) -> Compilation:
        """The maximum of the embeddings, and the hidden layer."""
        return Compilation((WindowMaximum(("embedding.embeddings",)),))

    def padding(self, hyperparameters: EmbeddingHyperparameters) -> int:
        """One padding position keeps its vector in the maximum."""
        return 1

    def _pool(self, indices: Any, vectors: Any) -> Any:
        from keras import layers

        return layers.GlobalMaxPooling1D(name="maximum")(vectors)


class EmbeddingAveragePooling(_EmbeddingPooling):
    """Embedding, the mean over the text's known words, a small dense layer, the output.

    Padding does not take part, so that a short text has the mean of its own words. The mean of a text without
    a known word is 0.

    Input: token indices, shape (batch, max_length). Output: shape (batch, 1), the probability of the second of
    two labels, or (batch, labels), the probabilities of more.
    """

    name = "embedding_average_pooling"
    about = "embedding, mean over the known words, a dense layer of 10"

    def compilation(self, hyperparameters: EmbeddingHyperparameters) -> Compilation:
        """The mean of what each known word adds to the hidden layer."""
        return Compilation(WordSum("embedding.embeddings", mean=True))

    def padding(self, hyperparameters: EmbeddingHyperparameters) -> int:
        """Padding has no part in the mean."""
        return 0

    def _pool(self, indices: Any, vectors: Any) -> Any:
        from keras import ops

        known = ops.cast(ops.expand_dims(ops.not_equal(indices, 0), -1), vectors.dtype)
        return ops.sum(vectors * known, axis=1) / ops.maximum(ops.sum(known, axis=1), 1.0)
