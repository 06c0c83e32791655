"""What was published: Practical Text Classification With Python and Keras, Real Python, by Nikolai Janakiev.

https://realpython.com/python-keras-text-classification/ - each figure of a network is one run without a seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REGRESSION = {"yelp": 0.7960, "amazon": 0.7960, "imdb": 0.7487}
IMDB_UNQUOTED = 0.7640  # logistic regression on all 1,000 rows; not of the tutorial
QUOTED_IMDB_ROWS = 748
WORDS = {"yelp": 1714, "imdb": 2505}  # of the training rows, two letters and more
INDICES = {"the": 1, "all": 43, "happy": 320, "sad": 450}
KERAS_VOCABULARY = 1747  # yelp, with the padding's index
SENTENCE = 2  # of yelp's training rows
SENTENCE_INDICES = (11, 43, 1, 171, 1, 283, 3, 1, 47, 26, 43, 24, 22)
COVERAGE = 0.9507727532913566
GLOVE = "glove-6b-50d"


@dataclass(frozen=True)
class PublishedNetwork:
    """A network of the tutorial.

    Attributes:
        parameters: Its number of weights; None where the tutorial does not print it.
        accuracy: On the test rows.
    """

    title: str
    architecture: str
    epochs: int
    parameters: int | None
    accuracy: float
    source: str = "yelp"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


BATCH_SIZE = 10
NETWORKS = (
    PublishedNetwork("Dense on word counts", "dense", 100, 25_071, 0.7754, "imdb, default quoting"),
    PublishedNetwork("Embedding, flatten", "embedding_flatten", 20, 137_371, 0.4600),
    PublishedNetwork("Embedding, max pooling", "embedding_max_pooling", 50, 87_871, 0.8050),
    PublishedNetwork(
        "GloVe, frozen, max pooling",
        "embedding_max_pooling",
        50,
        87_871,
        0.6950,
        hyperparameters={"pretrained": GLOVE, "train_embedding": False},
    ),
    PublishedNetwork(
        "GloVe, trained, max pooling",
        "embedding_max_pooling",
        50,
        87_871,
        0.8250,
        hyperparameters={"pretrained": GLOVE},
    ),
    PublishedNetwork("CNN, 128 filters of width 5", "cnn", 10, 240_129, 0.7700),
)
FLATTEN_TRAINING_ACCURACY = 0.5100  # printed beside the .4600

DRAWN = 5  # candidates of its search
SEARCH = {  # best cross-validation accuracy, and accuracy on the test rows
    "amazon": (0.8122, 0.8457),
    "imdb": (0.8161, 0.8210),
    "yelp": (0.8127, 0.8384),
}
