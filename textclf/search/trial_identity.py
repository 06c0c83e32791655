"""Keys of a trial's identity from the first release; a later key counts only where it differs from its default.

Trials that an earlier release has ended are found by this identity: ``textclf.config.identity`` says how.
"""

from collections.abc import Collection, Mapping

_EMBEDDING = ("embedding_dim", "pretrained", "train_embedding")

FIT_SETTINGS: Collection[str] = (
    "epochs", "batch_size", "seed", "learning_rate", "schedule", "validation_size", "patience", "class_weights",
)  # fmt: skip

HYPERPARAMETERS: Mapping[str, Collection[str]] = {
    "logistic_regression": ("C", "max_iter"),
    "dense": ("units",),
    "embedding_flatten": _EMBEDDING,
    "embedding_max_pooling": _EMBEDDING,
    "embedding_average_pooling": _EMBEDDING,
    "cnn": (*_EMBEDDING, "num_filters", "kernel_size"),
    "kim_cnn": (*_EMBEDDING, "kernel_sizes", "num_filters", "dropout", "channels", "max_norm"),
    "recurrent": (*_EMBEDDING, "cell", "units", "dropout"),
    "attention": (*_EMBEDDING, "attention_units"),
}
"""By architecture; one that comes later needs no entry."""
