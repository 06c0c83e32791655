"""Bidirectional recurrent network: the text read forwards and backwards."""

from typing import Annotated, Any, Literal

from pydantic import Field

from textclf.models.base import InputShape, KerasArchitecture
from textclf.models.embedding import EmbeddingHyperparameters, embedding_layer, output_tensors

_GATES = {"lstm": 4, "gru": 3}


class RecurrentHyperparameters(EmbeddingHyperparameters):
    """Hyperparameters of ``Recurrent``.

    Attributes:
        cell: LSTM (Hochreiter and Schmidhuber 1997) or GRU (Cho et al. 2014).
        units: Size of the state in each direction.
        dropout: Share of the two last states that a training step drops.
    """

    cell: Literal["lstm", "gru"] = "lstm"
    units: Annotated[int, Field(ge=1, le=4096)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5


class Recurrent(KerasArchitecture):
    """Embedding, a bidirectional LSTM or GRU over the known words, dropout, the output.

    Input: token indices, shape (batch, max_length). Output: shape (batch, 1), the probability of the second of
    two labels, or (batch, labels), the probabilities of more.
    """

    name = "recurrent"
    about = "bidirectional LSTM or GRU"
    features = "sequences"
    hyperparameters = RecurrentHyperparameters

    def tensors(self, hyperparameters: RecurrentHyperparameters, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors, in the order of the graph."""
        dim, units = hyperparameters.embedding_dim, hyperparameters.units
        wide = _GATES[hyperparameters.cell] * units
        found: dict[str, tuple[int, ...]] = {"embedding.embeddings": (shape.vocabulary, dim)}
        for direction in ("forward", "backward"):
            name = f"states.{direction}_cell.{hyperparameters.cell}_cell"
            found[f"{name}.kernel"] = (dim, wide)
            found[f"{name}.recurrent_kernel"] = (units, wide)
            # Keras' GRU keeps a bias of the input and one of the state apart, as cuDNN does.
            found[f"{name}.bias"] = (wide,) if hyperparameters.cell == "lstm" else (2, wide)
        return found | output_tensors(2 * units, shape)

    def padding(self, hyperparameters: RecurrentHyperparameters) -> int:
        """Padding is skipped."""
        return 0

    def build(self, hyperparameters: RecurrentHyperparameters, shape: InputShape) -> Any:
        """An untrained ``keras.Model``."""
        import keras
        from keras import layers, ops

        indices = keras.Input((shape.max_length,), dtype="int32")
        vectors = embedding_layer(hyperparameters, shape)(indices)
        cell = {"lstm": layers.LSTM, "gru": layers.GRU}[hyperparameters.cell](hyperparameters.units, name="cell")
        states = layers.Bidirectional(cell, name="states")(vectors, mask=ops.not_equal(indices, 0))
        output = layers.Dense(shape.outputs, activation=shape.activation, name="output")
        return keras.Model(indices, output(layers.Dropout(hyperparameters.dropout)(states)), name=self.name)
