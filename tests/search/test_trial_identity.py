"""Digests equal those of the release at commit 547f2bf, so its results are reused even after keys were added."""

import pytest

from textclf.config import Distribution, SearchPlan, Split, Text, Train, parse_pipeline
from textclf.config.identity import ALWAYS, identity
from textclf.models import ARCHITECTURES
from textclf.search.encoded_source import Info
from textclf.search.space import Candidate
from textclf.search.trial import FoldPlan, Trial
from textclf.search.trial_identity import FIT_SETTINGS, HYPERPARAMETERS
from textclf.search.winner import Winner
from textclf.training.settings import FitSettings
from textclf.workflow.steps import model_settings, vocabulary_settings

PIPELINE = """
warehouse = "w"
[[sources]]
name = "yelp"
path = "unused"
format = "tsv"
columns = ["text", "label"]
[search]
architectures = ["cnn", "kim_cnn"]
candidates = 2
[search.space]
embedding_dim = [4, 8]
learning_rate = {low = 0.001, high = 0.01, log = true}
[search.sources.yelp]
folds = 3
"""
TRIALS = {
    "logistic_regression": "83cf7403fc3477b95a9dd08b65860b315a35303d378476d01cd64f6f507814b4",
    "dense": "7b8d856d41f99ae8a17062c5fb018d7321967816de1fd2988a4f017a01a88866",
    "embedding_flatten": "00dce46e6ad28f038feba6dbb7e2fd2b1468e737c92c922652cf4f180f1b460e",
    "embedding_max_pooling": "f0c8573d513d6e9970f57e02d037d80d41ad499ec93581091a80739e20615748",
    "embedding_average_pooling": "d215808e274a6e099ec3803dcc0ad85821be716f5446be6338faf17bbf8c22e6",
    "cnn": "92a22875d51a65126958538858d915eb9cdd94726945d27b52bcfe93db69ed8c",
    "kim_cnn": "109120ef55de701a53076db6c01ae9b348db6a82b236c94fc1dc234c39be9940",
    "recurrent": "c954ab765b9060866f798f6dd0dd84855192b2d40f9b338d67e6f5b5582b9875",
    "attention": "a70c9e95ce2417dc2818b7214d1c2c01031db9a56f93c02de770b883cb8b33f2",
}
WINNER = "44064db055a4be829027d6541bfa90b446a5ea79c98bc12892033ffac1a6ac96"


def trial(name: str) -> Trial:
    info = Info("yelp", "0" * 64, ["a", "b"], 10, 5, {"keras": 20, "words": 20}, 100, "1" * 64)
    settings = FitSettings(epochs=2, batch_size=(8, 32), seed=7)
    return Trial(info, Candidate(name), ARCHITECTURES[name].parse({}), settings, FoldPlan(4, 1000), None, 0, "jax")


@pytest.mark.parametrize("name", TRIALS)
def test_trials_that_the_release_before_has_ended_are_known(name: str) -> None:
    assert trial(name).key == TRIALS[name]


def test_winners_and_settings_of_the_release_before_are_known() -> None:
    pipeline = parse_pipeline(PIPELINE)

    assert Winner(trial("cnn"), pipeline.split, {}, "").key == WINNER
    assert vocabulary_settings(pipeline) == "482aaa425999b327095fd015c9127d10b94b3ccf19c0bac2833e3e45d7c66e88"
    assert (
        model_settings(pipeline, "yelp", "search") == "fc338a801d7d6eddfc3b6167d764532bbdb192b9cdca3dea81399778e33eebc2"
    )
    trained = model_settings(pipeline, "yelp", "train", "cnn", {"epochs": "3"})
    assert trained == "5da942fe23678a0c502f54de9fa5434b1615434a9b79b4242aaf218232b709ad"


def test_a_new_key_with_its_default_changes_no_digest_and_another_value_does() -> None:
    class LaterSplit(Split):
        by_day: bool = False
        days: tuple[str, ...] = ()

    kept = ALWAYS[Split]
    assert identity(LaterSplit(), kept) == identity(Split())
    assert identity(LaterSplit(by_day=True, days=("2026-01-05",)), kept) == identity(Split()) | {
        "by_day": True,
        "days": ["2026-01-05"],
    }


def test_every_present_key_is_named_or_has_its_default() -> None:
    """Every key is listed or has a default: otherwise a digest would change silently."""
    for section in (Text, Split, Train, SearchPlan, Distribution):
        assert set(ALWAYS[section]) <= set(section.model_fields)
        assert all(
            not section.model_fields[name].is_required() for name in section.model_fields if name not in ALWAYS[section]
        )
    assert set(FIT_SETTINGS) <= set(FitSettings.model_fields)
    for name, keys in HYPERPARAMETERS.items():
        assert set(keys) <= set(ARCHITECTURES[name].hyperparameters.model_fields)
