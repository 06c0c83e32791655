"""Where the tutorial is wrong: what it does, and what changes when it is done right."""

import statistics
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from benchmarks.tutorial import published
from benchmarks.tutorial.exact import regression
from benchmarks.tutorial.material import Material, join, ranked_vocabulary, split
from benchmarks.tutorial.measure import Recipe, Spread, accuracies, four, table
from benchmarks.tutorial.networks import measured
from textclf.text.tokenizer import tokenize
from textclf.text.vocabulary import Vocabulary
from textclf.training.data import Rows
from textclf.training.fit import fit

_CNN = {"num_filters": 64, "kernel_size": 5, "embedding_dim": 50}  # the middle of the tutorial's search space
_SEARCHED = {"epochs": 20, "batch_size": published.BATCH_SIZE}
_EPOCHS = 10  # as many as the CNN of the tutorial trains for
_UNKNOWN = "unknown word"  # no token of the tokenizer holds a space


def lost_rows_section(material: Material, seeds: int) -> str:
    """Default quoting loses rows."""
    rows = []
    for name, quoted in material.quoted.items():
        dataset = material.datasets[name]
        glued = sum("\n" in text for text in quoted.rows.texts.to_pylist())
        right = regression(dataset.train, dataset.test)
        counts = len(dataset.train) + len(dataset.test), len(quoted.rows), glued
        rows.append((name, *counts, four(regression(*split(quoted.rows))), four(right)))
    dense = next(network for network in published.NETWORKS if network.architecture == "dense")
    quoted_dense = measured(material, dense, seeds)
    imdb = material.datasets["imdb"]
    whole = accuracies(Recipe("dense", {}, {"epochs": dense.epochs}), imdb.train, imdb.test, 2, seeds)
    return (
        "### Rows lost without a word\n\n`pandas.read_csv` takes a double quote at the beginning of a field for the "
        "beginning of a quoted field, which ends at the next quote, lines further down. Some sentences of imdb begin "
        "with a quote that they do not close: all lines up to the next quote become one row, with the label of the "
        "last. The pipeline file says `quoting = false` (the default for tsv), and the corpus holds every line.\n\n"
        + table(("source", "lines", "rows by default", "glued rows", "regression by default", "with all rows"), rows)
        + f"\nThe dense network on imdb: {quoted_dense} by default, {whole} with all rows. The two are measured on "
        "different test rows, so their difference says little; that a quarter of the data is missing says enough.\n"
    )


def pooled_section(material: Material, seeds: int) -> str:
    """The search never looked at the source it names."""
    names = list(material.datasets)
    train, test = split(join([material.quoted[name].rows for name in ("yelp", "amazon", "imdb")]))
    pooled = accuracies(Recipe("cnn", _CNN, _SEARCHED, ranked_vocabulary(train)), train, test, 2, seeds)
    published_tests = {name: figures[1] for name, figures in published.SEARCH.items()}
    rows = []
    for name in names:
        dataset = material.datasets[name]
        own = Recipe("cnn", _CNN, _SEARCHED, material.vocabularies[name])
        found = accuracies(own, dataset.train, dataset.test, 2, seeds)
        rows.append((name, four(published_tests[name]), found))
    return (
        "### A search over the pooled rows\n\nThe loop of the tutorial takes `df['sentence']`, all "
        f"{len(train) + len(test):,} rows of the three files (as default quoting reads them), in each of its three "
        "rounds, and not the source that it prints. So the three published test accuracies are one experiment run "
        f"three times, on the same {len(test)} test rows. One network of the search's space (64 filters of width 5, 50 "
        f"dimensions, 20 epochs) on those rows, over {seeds} seeds: {pooled}. The three published figures, "
        f"{', '.join(four(figure) for figure in published_tests.values())}, differ by the seed and by the candidate "
        "that won, as the pooled searches above do, and say nothing about the sources. Trained and tested on each "
        "source alone, as `train_model` does:\n\n"
        + table(("source", "published (pooled rows)", "the source alone"), rows)
    )


def peeking_section(material: Material, seeds: int) -> str:
    """Test rows as validation rows."""
    dataset = material.datasets["yelp"]
    curves = np.array([_watched(material, dataset.train, dataset.test, seed) for seed in range(seeds)])
    chosen = [_chosen_epochs(material, dataset.train, seed) for seed in range(seeds)]
    honest = Spread(tuple(float(curve[epochs - 1]) for curve, epochs in zip(curves, chosen, strict=True)))
    best = Spread(tuple(float(value) for value in curves.max(axis=1)))
    return (
        "### Test rows as validation rows\n\nThe tutorial gives the test rows to `fit` as `validation_data` and reads "
        f"from their curves when to stop. For the CNN on yelp, the test accuracy after each of {_EPOCHS} epochs is "
        "known here for each seed. Choosing the epoch by it, and choosing by validation rows that were held back from "
        "the training rows (`validation_size = 0.2`, then trained again on all of them for as many epochs):\n\n"
        + table(
            ("epochs chosen by", "test accuracy"),
            [("the test rows", best), (f"validation rows (median {statistics.median(chosen):g} epochs)", honest)],
        )
        + f"\nThe first promises {four(best.mean - honest.mean)} more than the second keeps. `patience` needs "
        "`validation_size` for that reason, and the test rows are looked at once, at the end.\n"
    )


def _recipe(material: Material, validation: float = 0.0) -> Recipe:
    settings = {"epochs": _EPOCHS, "batch_size": published.BATCH_SIZE, "validation_size": validation}
    return Recipe("cnn", {}, settings, material.vocabularies["yelp"])


def _watched(material: Material, train: Rows, test: Rows, seed: int) -> list[float]:
    """Test accuracy after each epoch."""
    fitted = fit(_recipe(material).candidate(train, 2, seed), train, watched=test)
    return fitted.history["val_accuracy"]


def _chosen_epochs(material: Material, train: Rows, seed: int) -> int:
    """Epochs with the lowest loss on validation rows."""
    fitted = fit(_recipe(material, 0.2).candidate(train, 2, seed), train)
    return int(np.argmin(fitted.history["val_loss"])) + 1


def unknown_section(material: Material, seeds: int) -> str:
    """Unknown words have no index."""
    dataset, vocabulary = material.datasets["yelp"], material.vocabularies["yelp"]
    known = set(vocabulary.tokens)
    texts = [tokenize(text) for text in dataset.test.texts.to_pylist()]
    missing = [sum(token not in known for token in tokens) for tokens in texts]
    settings = {"epochs": 10, "batch_size": published.BATCH_SIZE}
    plain = Recipe("cnn", {}, settings, vocabulary)
    spreads: Mapping[str, Spread] = {
        "dropped, as Keras does": accuracies(plain, dataset.train, dataset.test, 2, seeds),
        "index 1747, never trained": _with_index(vocabulary, dataset.train, dataset.test, settings, seeds),
        "index 1747, trained on words that occur once": _with_index(
            vocabulary, _rare_as_unknown(dataset.train), dataset.test, settings, seeds
        ),
    }
    return (
        "### Unknown words\n\nThe tutorial says that Keras denotes unknown words by `word_count + 1`. It does not: "
        "without `oov_token`, `texts_to_sequences` leaves them out, and so does this package. Of the "
        f"{sum(map(len, texts)):,} tokens of yelp's test rows {sum(missing):,} are unknown "
        f"({four(sum(missing) / sum(map(len, texts)))}), in {sum(map(bool, missing))} of {len(texts)} sentences; no "
        f"index above {len(vocabulary.tokens)} occurs. `results` has `known_tokens` for that reason. Were it as the "
        "tutorial says, the vector of that index would be the random one it began with, because no training row holds "
        "an unknown word; words that occur once can stand for them. The CNN of the tutorial:\n\n"
        + table(("unknown words", "test accuracy"), list(spreads.items()))
    )


def _with_index(vocabulary: Vocabulary, train: Rows, test: Rows, settings: Mapping[str, int], seeds: int) -> Spread:
    """Accuracy where every word that the vocabulary lacks is one more token, the last."""
    known = set(vocabulary.tokens)
    token = "".join(_UNKNOWN.split())
    assert token not in known

    def marked(rows: Rows) -> Rows:
        texts = (" ".join(word if word in known else token for word in tokenize(t)) for t in rows.texts.to_pylist())
        return Rows(pa.array(texts, pa.string()), rows.labels)

    recipe = Recipe("cnn", {}, settings, Vocabulary((*vocabulary.tokens, token)))
    return accuracies(recipe, marked(train), marked(test), 2, seeds)


def _rare_as_unknown(rows: Rows) -> Rows:
    """Training rows in which words that occur once are replaced by one that the vocabulary lacks."""
    tokens = [tokenize(text) for text in rows.texts.to_pylist()]
    counts: dict[str, int] = {}
    for word in (word for text in tokens for word in text):
        counts[word] = counts.get(word, 0) + 1
    texts = (" ".join(word if counts[word] > 1 else "qqunseenqq" for word in text) for text in tokens)
    return Rows(pa.array(texts, pa.string()), rows.labels)


def traps_section(material: Material, seeds: int) -> str:
    """All of them."""
    sections = (lost_rows_section, pooled_section, peeking_section, unknown_section)
    head = "## Where the tutorial is wrong, and what changes\n\n"
    return head + "\n".join(section(material, seeds) for section in sections)
