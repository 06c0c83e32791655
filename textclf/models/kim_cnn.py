"""Sentence CNN of Kim, Convolutional Neural Networks for Sentence Classification, EMNLP 2014."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from textclf.models.base import InputShape, KerasArchitecture, check_window
from textclf.models.compilation import Compilation, WindowMaximum
from textclf.models.embedding import EmbeddingHyperparameters, embedding_layer, output_tensors


class KimCnnHyperparameters(EmbeddingHyperparameters):
    """The defaults are the paper's: widths 3, 4, 5 with 100 filters each, dropout .5, L2 norm of 3.

    Attributes:
        kernel_sizes: Widths of the windows, separated by commas.
        channels: ``one`` embedding, or ``two`` that start from the same ``pretrained`` vectors, of which one is
            trained. With one, ``train_embedding`` chooses between the paper's static (false) and non-static (true).
        max_norm: Longest L2 norm of an output's weights; longer ones are scaled back after each step.
    """

    kernel_sizes: Annotated[
        str, Field(pattern=r"^[1-9]\d?(,[1-9]\d?)*$", description="widths from 1 to 99 with commas between, as 2,3,4")
    ] = "3,4,5"
    num_filters: Annotated[int, Field(ge=1, le=4096)] = 100
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    channels: Literal["one", "two"] = "one"
    max_norm: Annotated[float, Field(gt=0)] = 3.0

    @model_validator(mode="after")
    def _two_channels_begin_the_same(self) -> Self:
        if self.channels == "two" and self.pretrained is None:
            raise ValueError(
                "channels=two without pretrained would begin with two different random embeddings: "
                "name the vectors with pretrained, or take channels=one"
            )
        if self.channels == "two" and not self.train_embedding:
            raise ValueError(
                "channels=two with train_embedding=false would freeze both channels: "
                "leave train_embedding true, or take channels=one"
            )
        return self

    @property
    def widths(self) -> list[int]:
        """Widths of the windows."""
        return [int(width) for width in self.kernel_sizes.split(",")]


class KimCnn(KerasArchitecture):
    """Embedding, convolutions of several widths, the maximum of each filter over the text, dropout, the output.

    Input: token indices, shape (batch, max_length). Output: shape (batch, 1), the probability of the second of
    two labels, or (batch, labels), the probabilities of more.
    """

    name = "kim_cnn"
    about = "sentence CNN with several kernel widths (Kim 2014)"
    features = "sequences"
    hyperparameters = KimCnnHyperparameters

    def tensors(self, hyperparameters: KimCnnHyperparameters, shape: InputShape) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors, in the order of the graph."""
        dim, filters, widths = hyperparameters.embedding_dim, hyperparameters.num_filters, hyperparameters.widths
        names = self._embeddings(hyperparameters)
        found: dict[str, tuple[int, ...]] = {f"{name}.embeddings": (shape.vocabulary, dim) for name in names}
        for number, width in enumerate(widths):
            found[f"convolution_{number}.kernel"] = (width, dim * len(names), filters)
            found[f"convolution_{number}.bias"] = (filters,)
        return found | output_tensors(filters * len(widths), shape)

    @staticmethod
    def _embeddings(hyperparameters: KimCnnHyperparameters) -> list[str]:
        return ["embedding"] if hyperparameters.channels == "one" else ["embedding", "static_embedding"]

    def check(self, hyperparameters: KimCnnHyperparameters, shape: InputShape) -> None:
        """Refuse windows that do not fit into a text."""
        check_window("kernel_sizes", max(hyperparameters.widths), shape)

    def padding(self, hyperparameters: KimCnnHyperparameters) -> int:
        """A window of padding alone must remain for the widest filters."""
        return max(hyperparameters.widths)

    def compilation(self, hyperparameters: KimCnnHyperparameters) -> Compilation:
        """A convolution for each width, and no hidden layer."""
        words = tuple(f"{name}.embeddings" for name in self._embeddings(hyperparameters))
        widths = range(len(hyperparameters.widths))
        return Compilation(tuple(WindowMaximum(words, f"convolution_{number}") for number in widths), hidden=None)

    def build(self, hyperparameters: KimCnnHyperparameters, shape: InputShape) -> Any:
        """An untrained ``keras.Model``."""
        import keras
        from keras import layers

        indices = keras.Input((shape.max_length,), dtype="int32")
        vectors = embedding_layer(hyperparameters, shape)(indices)
        if hyperparameters.channels == "two":
            static = embedding_layer(hyperparameters, shape, "static_embedding", trained=False)(indices)
            # A filter sees both channels and adds them: the same as one channel of twice the width.
            vectors = layers.Concatenate(name="channels")([vectors, static])
        pooled = []
        for number, width in enumerate(hyperparameters.widths):
            convolution = layers.Conv1D(
                hyperparameters.num_filters, width, activation="relu", name=f"convolution_{number}"
            )
            pooled.append(layers.GlobalMaxPooling1D(name=f"maximum_{number}")(convolution(vectors)))
        features = layers.Concatenate(name="features")(pooled) if len(pooled) > 1 else pooled[0]
        output = layers.Dense(
            shape.outputs,
            activation=shape.activation,
            kernel_constraint=keras.constraints.MaxNorm(hyperparameters.max_norm),
            name="output",
        )
        return keras.Model(indices, output(layers.Dropout(hyperparameters.dropout)(features)), name=self.name)
