"""Figures that nothing is random about: counts, indices, logistic regression."""

from dataclasses import dataclass

import numpy as np

from benchmarks.tutorial import published
from benchmarks.tutorial.material import Material, split
from benchmarks.tutorial.measure import Recipe, four, predictions, table
from textclf.models import InputShape, architecture
from textclf.text.pretrained import load_embeddings
from textclf.training.data import Rows
from textclf.training.train import sorted_vocabulary


@dataclass(frozen=True)
class Exact:
    """A published figure and the measured one, as printed."""

    what: str
    published: object
    measured: object

    @property
    def equal(self) -> bool:
        """Whether they are the same, as printed."""
        return str(self.published) == str(self.measured)


def exact_figures(material: Material) -> list[Exact]:
    """Every figure of the tutorial that a correct pipeline gives to the digit."""
    yelp = material.datasets["yelp"]
    imdb = split(material.quoted["imdb"].rows)
    vocabulary = material.vocabularies["yelp"]
    encoded = vocabulary.encode(_tokens(yelp.train, published.SENTENCE), 5000)
    coverage = load_embeddings(published.GLOVE, vocabulary, 5000).coverage
    indices = _shown(published.INDICES.values(), vocabulary.encode(published.INDICES, 5000))
    regressions = {
        "yelp": (published.REGRESSION["yelp"], _sides(material, "yelp")),
        "amazon": (published.REGRESSION["amazon"], _sides(material, "amazon")),
        "imdb, default quoting": (published.REGRESSION["imdb"], imdb),
        "imdb, all rows": (published.IMDB_UNQUOTED, _sides(material, "imdb")),
    }
    return [
        *(
            Exact(f"Logistic regression, {name}", four(figure), four(regression(*sides)))
            for name, (figure, sides) in regressions.items()
        ),
        Exact("Rows of imdb under default quoting", published.QUOTED_IMDB_ROWS, len(material.quoted["imdb"].rows)),
        Exact("Words of two letters and more, yelp", published.WORDS["yelp"], _words(yelp.train)),
        Exact("Words, imdb, default quoting", published.WORDS["imdb"], _words(imdb[0])),
        Exact("Vocabulary of Keras' tokenizer with index 0, yelp", published.KERAS_VOCABULARY, vocabulary.size(5000)),
        Exact("Indices of the, all, happy, sad", *indices),
        Exact("Training sentence 2", *_shown(published.SENTENCE_INDICES, encoded)),
        Exact("Share of that vocabulary with a GloVe vector", published.COVERAGE, coverage),
        *(_parameters(network) for network in published.NETWORKS if network.parameters),
    ]


def exact_section(material: Material, _seeds: int) -> str:
    """The table of exact figures.

    Raises:
        SystemExit: One of them is not the published one.
    """
    figures = exact_figures(material)
    wrong = [figure for figure in figures if not figure.equal]
    if wrong:
        lines = (f"{figure.what}: published {figure.published}, measured {figure.measured}" for figure in wrong)
        raise SystemExit("\n".join(lines))
    rows = [(figure.what, figure.published, figure.measured) for figure in figures]
    return (
        "## Exact figures\n\nNothing is random about these; the command that writes this page fails where one differs. "
        "The .7640 is not of the tutorial, which lost a quarter of the rows (see below).\n\n"
        + table(("figure", "published", "measured"), rows)
    )


def regression(train: Rows, test: Rows) -> float:
    """Test accuracy of logistic regression on word counts."""
    (predicted,) = predictions(Recipe("logistic_regression", {}, {}), train, [test], 2, 0)
    return float(np.mean(predicted == test.labels))


def _sides(material: Material, name: str) -> tuple[Rows, Rows]:
    return material.datasets[name].train, material.datasets[name].test


def _words(train: Rows) -> int:
    return len(sorted_vocabulary(train, "words").tokens)


def _tokens(rows: Rows, number: int) -> list[str]:
    from textclf.text.tokenizer import tokenize

    return tokenize(rows.texts[number].as_py())


def _shown(*figures: object) -> tuple[str, ...]:
    return tuple(" ".join(map(str, numbers)) for numbers in figures)  # type: ignore[call-overload]


def _parameters(network: published.PublishedNetwork) -> Exact:
    made = architecture(network.architecture)
    vocabulary = published.WORDS["imdb"] + 1 if made.tokenizer == "words" else published.KERAS_VOCABULARY
    count = made.parameter_count(made.parse(network.hyperparameters), InputShape(vocabulary, 100, 2))
    return Exact(f"Parameters: {network.title}", f"{network.parameters:,}", f"{count:,}")
