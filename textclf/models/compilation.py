"""Describe which tensors of a model become tables over the vocabulary, for the compiled scorer.

The layers before the first nonlinearity are linear in the words, so their products with every word of the vocabulary
can be computed once. An architecture says in these terms what it is made of; ``textclf.inference.compile_model``
computes the tables.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class WindowMaximum:
    """The maximum over the text of a convolution over embedded words, or of the embedded words themselves.

    Attributes:
        embeddings: Names of the tensors of shape (vocabulary, dim) that are laid side by side to embed a word.
        convolution: Name of the convolution, whose tensors are ``NAME.kernel``, shape (width, dim, filters), and
            ``NAME.bias``, shape (filters,). ReLU follows it. None takes the maximum of the embeddings.
    """

    embeddings: tuple[str, ...]
    convolution: str | None = None


@dataclass(frozen=True)
class WordSum:
    """The sum over the text of what each word adds to the first dense layer.

    Attributes:
        embedding: Name of the tensor of shape (vocabulary, dim); None for features that are counts, where a word's
            row is that of the layer's kernel.
        by_position: Whether each position has weights of its own: the kernel has max_length * dim rows.
        mean: Whether the sum is divided by the number of known words.
    """

    embedding: str | None = None
    by_position: bool = False
    mean: bool = False


@dataclass(frozen=True)
class Compilation:
    """What a model is made of: features of the words, at most one hidden layer with ReLU, the output layer.

    Attributes:
        features: Maxima over windows, in the order in which the next layer takes them; or one sum over words.
        hidden: Name of the dense layer with ReLU between features and output; None without one.
        output: Name of the dense layer with one sigmoid for two labels, or a softmax for more.
    """

    features: tuple[WindowMaximum, ...] | WordSum
    hidden: str | None = "hidden"
    output: str = "output"

    @property
    def maxima(self) -> tuple[WindowMaximum, ...]:
        """Features that are maxima; none where they are a sum."""
        return () if isinstance(self.features, WordSum) else self.features

    @property
    def word_sum(self) -> WordSum | None:
        """Features that are a sum; None where they are maxima."""
        return self.features if isinstance(self.features, WordSum) else None

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the dense layers in their order."""
        return (self.output,) if self.hidden is None else (self.hidden, self.output)
