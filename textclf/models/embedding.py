"""What all architectures with an embedding share: its hyperparameters and its layer."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from textclf.models.base import Hyperparameters, InputShape

HIDDEN = 10  # units of the layer before the output, as the tutorial has it


class EmbeddingHyperparameters(Hyperparameters):
    """Hyperparameters of an embedding.

    Attributes:
        embedding_dim: Width of a word's vector.
        pretrained: Source of the initial values (see ``textclf.text.pretrained``); random values without it.
        train_embedding: Whether training changes the embedding.
    """

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 50
    pretrained: Annotated[str | None, Field(description="a file of GloVe or word2vec vectors, or glove-6b-50d")] = None
    train_embedding: bool = True

    @model_validator(mode="after")
    def _frozen_means_pretrained(self) -> Self:
        if not self.train_embedding and self.pretrained is None:
            raise ValueError(
                "train_embedding=false without pretrained would freeze random vectors: "
                "name the vectors with pretrained, or leave train_embedding true"
            )
        return self


def embedding_layer(hyperparameters: Any, shape: InputShape, name: str = "embedding", *, trained: bool = True) -> Any:
    """The embedding as a Keras layer: (batch, length) indices to (batch, length, embedding_dim)."""
    from keras import layers

    return layers.Embedding(
        shape.vocabulary,
        hyperparameters.embedding_dim,
        trainable=trained and hyperparameters.train_embedding,
        name=name,
    )


def hidden_tensors(width: int, shape: InputShape) -> dict[str, tuple[int, ...]]:
    """Tensors of the hidden layer on ``width`` features, and of the output."""
    return {
        "hidden.kernel": (width, HIDDEN),
        "hidden.bias": (HIDDEN,),
        **output_tensors(HIDDEN, shape),
    }


def output_tensors(width: int, shape: InputShape) -> dict[str, tuple[int, ...]]:
    """Tensors of the output layer on ``width`` features."""
    return {"output.kernel": (width, shape.outputs), "output.bias": (shape.outputs,)}


def hidden_and_output(shape: InputShape) -> list[Any]:
    """The tutorial's last two layers: Dense 10 with ReLU, and the output."""
    from keras import layers

    return [
        layers.Dense(HIDDEN, activation="relu", name="hidden"),
        layers.Dense(shape.outputs, activation=shape.activation, name="output"),
    ]
