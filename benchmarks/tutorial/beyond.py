"""Beyond the tutorial: six kinds of question (TREC), and spam (SMS Spam)."""

from typing import Any

import numpy as np

from benchmarks.tutorial import published
from benchmarks.tutorial.material import Material, ranked_vocabulary, take
from benchmarks.tutorial.measure import Recipe, Spread, accuracies, four, predictions, table
from textclf.training.data import Rows

TREC_SEEDS, FOLDS = 5, 5
TREC_WANTED, SMS_WANTED = 0.90, 0.95
# Chosen on 800 of the training questions, held back; the test questions had no part in it.
TREC: dict[str, Any] = {"embedding_dim": 50, "pretrained": published.GLOVE, "kernel_sizes": "2,3,4,5"}
TREC_FIT: dict[str, Any] = {"epochs": 10, "batch_size": 50, "learning_rate": 0.004, "schedule": "cosine"}
SMS: dict[str, Any] = {"num_filters": 64, "kernel_size": 3, "embedding_dim": 50}
SMS_FIT: dict[str, Any] = {"epochs": 6, "batch_size": 32}


def trec_section(material: Material, seeds: int) -> str:
    """The sentence CNN on TREC's own test questions."""
    train, test = material.more["trec"], material.more["trec_test"]
    seeds = min(seeds, TREC_SEEDS)
    recipe = Recipe("kim_cnn", TREC, TREC_FIT, ranked_vocabulary(train.rows), 60)
    found = accuracies(recipe, train.rows, test.rows, len(train.labels), seeds)
    return (
        f"## TREC: six kinds of question\n\n{len(train.rows):,} training questions, {len(test.rows)} test questions of "
        f"the publisher's own file (Li and Roth 2002). The sentence CNN of Kim 2014 with GloVe of 50 dimensions, "
        f"trained on, {shown(TREC)}, {shown(TREC_FIT)}; chosen on training questions that were held back.\n\n"
        + table(("test accuracy", "wanted"), [(f"{found}, {seeds} seeds", four(TREC_WANTED))])
    )


def sms_section(material: Material, _seeds: int) -> str:
    """F1 of spam, cross-validated."""
    found = spam_f1(material)
    return (
        f"## SMS Spam\n\n{len(material.more['sms'].rows):,} messages, stratified {FOLDS}-fold cross-validation: the "
        f"vocabulary of each fold is that of its training messages. CNN, {shown(SMS)}, {shown(SMS_FIT)}.\n\n"
        + table(("F1 of spam", "wanted"), [(f"{found}, {FOLDS} folds", four(SMS_WANTED))])
    )


def spam_f1(material: Material) -> Spread:
    """F1 of spam in each fold."""
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    sms = material.more["sms"]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=1000).split(np.zeros(len(sms.rows)), sms.rows.labels)
    found = []
    for seed, (train, test) in enumerate(folds):
        rows: Rows = take(sms.rows, train)
        held = take(sms.rows, test)
        recipe = Recipe("cnn", SMS, SMS_FIT, ranked_vocabulary(rows))
        (predicted,) = predictions(recipe, rows, [held], 2, seed)
        found.append(float(f1_score(held.labels, predicted, pos_label=sms.labels.index("spam"))))
    return Spread(tuple(found))


def shown(settings: dict[str, Any]) -> str:
    """Settings as ``train_model --set`` takes them."""
    return ", ".join(f"`{name}={value}`" for name, value in settings.items())
