"""The networks of the tutorial, each as it trained them, with a seed a run."""

from collections.abc import Mapping
from dataclasses import replace

from textclf.training.data import Rows
from textclf.training.fit import fit
from textclf.tutorial import published
from textclf.tutorial.material import Material, split
from textclf.tutorial.measure import Recipe, Spread, accuracies, four, table

_OTHER_EPOCHS = (10, 20, 100)
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
        return _not_from_glove(network, spreads, material)
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
        f"{published.FLATTEN_TRAINING_ACCURACY * rows:g}, no whole number.\n"
    )


def _not_from_glove(network: published.PublishedNetwork, spreads: Mapping[str, Spread], material: Material) -> str:
    train, test = sides(material, network.source)
    spread = spreads[network.title]
    others = {
        epochs: accuracies(recipe(material, replace(network, epochs=epochs)), train, test, 2, len(spread.values))
        for epochs in _OTHER_EPOCHS
    }
    rows = [(epochs, found) for epochs, found in sorted({**others, network.epochs: spread}.items())]
    random = next(name for name in published.NETWORKS if not name.hyperparameters and "max pooling" in name.title)
    where = spreads[random.title].place(network.accuracy)
    return (
        f"\n{network.title}: the published figure is above every run here. It is not for want of vectors, whose share "
        "is the published one to the last digit, and whose frozen network gives the published accuracy. No number of "
        "epochs gives it either:\n\n"
        + table(("epochs", "measured"), rows)
        + f"\nThe same network with random vectors, {random.title.lower()} above, does give it: the published "
        f"{four(network.accuracy)} is {where} there. On these {len(train)} rows, vectors that training moves away from "
        "GloVe do worse on average than vectors that it moves away from random places. Either the published run did "
        "not begin with GloVe, or its settings were others than those printed.\n"
    )
