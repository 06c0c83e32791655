"""Self-attention pooling: the network learns which words to look at."""

from typing import Annotated, Any

from pydantic import Field

from textclf.models.base import InputShape, KerasArchitecture
from textclf.models.embedding import EmbeddingHyperparameters, embedding_layer, hidden_and_output, hidden_tensors

_HIDDEN_WORD = -1e9  # a score so low that the softmax gives a padding position no weight


class AttentionHyperparameters(EmbeddingHyperparameters):
    """``attention_units`` is the width of the layer that rates a word."""

    attention_units: Annotated[int, Field(ge=1, le=4096)] = 32


class Attention(KerasArchitecture):
    """Embedding, a mean over the words with weights computed from the words, a small dense layer.

    The weights are softmax(v . tanh(W x)), the single-hop attention of Lin et al., A Structured Self-attentive
    Sentence Embedding, ICLR 2017, on the embedding itself.

    Input: token indices, shape (batch, max_length). Output: shape (batch, 1), the probability of the second of
    two labels, or (batch, labels), the probabilities of more.
    """

    name = "attention"
    about = "embedding, self-attention pooling, a dense layer of 10"
    features = "sequences"
    hyperparameters = AttentionHyperparameters

    def tensors(self, hyperparameters: AttentionHyperparameters, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors, in the order of the graph."""
        dim, units = hyperparameters.embedding_dim, hyperparameters.attention_units
        return {
            "embedding.embeddings": (shape.vocabulary, dim),
            "rating.kernel": (dim, units),
            "rating.bias": (units,),
            "rate.kernel": (units, 1),
            **hidden_tensors(dim, shape),
        }

    def padding(self, hyperparameters: AttentionHyperparameters) -> int:
        """Padding gets no weight."""
        return 0

    def build(self, hyperparameters: AttentionHyperparameters, shape: InputShape) -> Any:
        """An untrained ``keras.Model``."""
        import keras
        from keras import layers, ops

        indices = keras.Input((shape.max_length,), dtype="int32")
        vectors = embedding_layer(hyperparameters, shape)(indices)
        rating = layers.Dense(hyperparameters.attention_units, activation="tanh", name="rating")(vectors)
        rate = layers.Dense(1, use_bias=False, name="rate")(rating)
        known = ops.expand_dims(ops.not_equal(indices, 0), -1)
        weights = ops.softmax(ops.where(known, rate, _HIDDEN_WORD), axis=1)
        features = ops.sum(weights * vectors, axis=1)
        for layer in hidden_and_output(shape):
            features = layer(features)
        return keras.Model(indices, features, name=self.name)
