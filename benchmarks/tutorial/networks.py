"""The networks of the tutorial, each as it trained them, with a seed a run."""

from collections.abc import Mapping

import numpy as np

from benchmarks.tutorial import published
from benchmarks.tutorial.material import Material, join, ranked_vocabulary, split, take
from benchmarks.tutorial.measure import Recipe, Spread, accuracies, four, predictions, table
from textclf.training.data import Rows
from textclf.training.fit import fit

_TEST_SIZES = (250, 200)  # of the published split, and of the published accuracies
_STUCK = 0.6  # training accuracy after all epochs: chance is a half, and the others end above nine tenths


def networks_section(material: Material, seeds: int) -> str:
    """Published test accuracies beside the spread over the seeds."""
    spreads = {network.title: measured(material, network, seeds) for network in published.NETWORKS}
    rows = [
        (
            network.title,
            network.source,
            network.epochs,
            four(network.accuracy),
            spreads[network.title],
            spreads[network.title].place(network.accuracy),
        )
        for network in published.NETWORKS
    ]
    outside = [network for network in published.NETWORKS if not spreads[network.title].holds(network.accuracy)]
    return (
        f"## Networks\n\nTest accuracy over {seeds} seeds, trained as the tutorial does: batches of "
        f"{published.BATCH_SIZE}, Adam, no validation rows. Each published figure is one run without a seed. The "
        "spread is the mean and the standard deviation over the seeds, with the lowest and the highest run; the last "
        "column says where the published run stands in it.\n\n"
        + table(("network", "rows", "epochs", "published", "measured", "the published run"), rows)
        + "".join(_explained(network, spreads, material) for network in outside)
    )


def recipe(material: Material, network: published.PublishedNetwork) -> Recipe:
    """How the tutorial trained that network."""
    settings = {"epochs": network.epochs, "batch_size": published.BATCH_SIZE}
    vocabulary = None if network.architecture == "dense" else material.vocabularies[network.source]
    return Recipe(network.architecture, network.hyperparameters, settings, vocabulary)


def measured(material: Material, network: published.PublishedNetwork, seeds: int) -> Spread:
    """Test accuracies of that network."""
    train, test = sides(material, network.source)
    return accuracies(recipe(material, network), train, test, 2, seeds)


def sides(material: Material, source: str) -> tuple[Rows, Rows]:
    """Training and test rows of a source, as the network of the tutorial saw them."""
    if source in material.datasets:
        return material.datasets[source].train, material.datasets[source].test
    return split(material.quoted["imdb"].rows)


def _explained(network: published.PublishedNetwork, spreads: Mapping[str, Spread], material: Material) -> str:
    """Why a published figure is outside of the spread, as far as numbers say."""
    if network.architecture == "embedding_flatten":
        return _stuck_runs(network, spreads[network.title], material)
    if network.hyperparameters == {"pretrained": published.GLOVE}:
        return _other_rows(network, spreads, material)
    place = spreads[network.title].place(network.accuracy)
    return f"\n{network.title}: {place}. A further run of the same kind may lie there.\n"


def _stuck_runs(network: published.PublishedNetwork, spread: Spread, material: Material) -> str:
    train, test = sides(material, network.source)
    seeds = range(len(spread.values))
    made = recipe(material, network)
    learnt = [fit(made.candidate(train, 2, seed), train).history["accuracy"][-1] for seed in seeds]
    # A network whose hidden units are all off answers every text alike.
    stuck = sum(accuracy < _STUCK for accuracy in learnt)
    shares = [four(float(share)) for share in sorted((test.labels.mean(), 1 - test.labels.mean()))]
    rows = len(train)
    return (
        f"\n{network.title}: the published run did not learn; the tutorial prints a training accuracy of "
        f"{four(published.FLATTEN_TRAINING_ACCURACY)} beside it. Nor did {stuck} of the {len(seeds)} runs here, whose "
        f"training accuracy ended below {four(_STUCK)}: such a run answers every text alike, and gets "
        f"{' or '.join(shares)} of the test rows right, the share of one label. The others reach "
        f"{four(max(spread.values))} at best. The published pair is that of a run that is stuck, on other rows than "
        f"the tutorial's later networks had: {four(published.FLATTEN_TRAINING_ACCURACY)} of {rows} training rows is "
        f"{published.FLATTEN_TRAINING_ACCURACY * rows:g}, no whole number; of 800 it is "
        f"{published.FLATTEN_TRAINING_ACCURACY * 800:g}.\n"
    )


def _other_rows(network: published.PublishedNetwork, spreads: Mapping[str, Spread], material: Material) -> str:
    """Published shares are whole numbers of 200 rows, not of the 250 that the split of the tutorial gives."""
    yelp = [each for each in published.NETWORKS if each.source == network.source]
    rows = [(each.title, four(each.accuracy), *(f"{each.accuracy * size:g}" for size in _TEST_SIZES)) for each in yelp]
    whole = join(list(sides(material, network.source)))
    found = [_on_split(network, whole, seed) for seed in range(len(spreads[network.title].values))]
    spread = Spread(tuple(found))
    return (
        f"\n{network.title}: the published figure is above every run here. It is not for want of vectors, whose share "
        "is the published one to the last digit, and whose frozen network gives the published accuracy. But the "
        "published accuracies of the networks on yelp were not measured on the test rows of the published split: as "
        f"numbers of right answers they are whole for {_TEST_SIZES[1]} rows, and not for its {_TEST_SIZES[0]}.\n\n"
        + table(("network", "published", *(f"right of {size}" for size in _TEST_SIZES)), rows)
        + f"\nWhich {_TEST_SIZES[1]} rows they were nobody can tell. On {len(found)} random splits into "
        f"{len(whole) - _TEST_SIZES[1]} training and {_TEST_SIZES[1]} test rows, a seed each, this network gives "
        f"{spread}; the published {four(network.accuracy)} is {spread.place(network.accuracy)}.\n"
    )


def _on_split(network: published.PublishedNetwork, rows: Rows, seed: int) -> float:
    """Accuracy on 200 rows chosen by a seed, trained on all others."""
    order = np.random.default_rng(seed).permutation(len(rows))
    test, train = take(rows, order[: _TEST_SIZES[1]]), take(rows, order[_TEST_SIZES[1] :])
    settings = {"epochs": network.epochs, "batch_size": published.BATCH_SIZE}
    chosen = Recipe(network.architecture, network.hyperparameters, settings, ranked_vocabulary(train))
    (predicted,) = predictions(chosen, train, [test], 2, seed)
    return float(np.mean(predicted == test.labels))
