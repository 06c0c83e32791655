import json

from tests.cli.conftest import Run
from tests.factories.artifacts import sample
from textclf.artifact import ModelStore


def test_list_and_show(textclf: Run, store: ModelStore) -> None:
    code, out, _ = textclf("models", "list", "--models", store.root, "--json")
    assert code == 0
    assert [(each["name"], each["champion"], each["versions"], each["accuracy"]) for each in json.loads(out)] == [
        ("trec", "1", 1, 0.5),
        ("yelp", "2", 3, 0.5),
    ]
    _, out, _ = textclf("models", "show", "yelp", "--models", store.root)
    assert "yelp@2" in out
    assert "accuracy" in out
    _, out, _ = textclf("models", "show", "yelp@3", "--models", store.root)
    assert "no, version 2 is" in out


def test_promote_then_roll_back_twice(textclf: Run, store: ModelStore) -> None:
    assert textclf("models", "promote", "yelp@3", "--models", store.root)[0] == 0
    assert store.champions("yelp") == ["3", "2", "1"]
    assert textclf("models", "roll-back", "yelp", "--models", store.root)[0] == 0
    assert (store.champion("yelp"), store.load("yelp").reference) == ("2", "yelp@2")
    assert textclf("models", "roll-back", "yelp", "--models", store.root)[0] == 0
    code, _, err = textclf("models", "roll-back", "yelp", "--models", store.root)
    assert code == 3
    assert "no earlier champion" in err
    assert store.champion("yelp") == "1"


def test_promote_needs_a_version_that_is_there(textclf: Run, store: ModelStore) -> None:
    code, _, err = textclf("models", "promote", "yelp", "--models", store.root)
    assert (code, "one of: yelp@1, yelp@2, yelp@3" in err) == (2, True)
    assert textclf("models", "promote", "yelp@9", "--models", store.root)[0] == 3
    assert store.champion("yelp") == "2"


def test_compare_says_whether_the_test_rows_are_the_same(textclf: Run, store: ModelStore) -> None:
    code, out, _ = textclf("models", "compare", "yelp", "--models", store.root)
    assert code == 0
    assert out.splitlines()[0].split() == ["yelp@1", "yelp@2*", "yelp@3"]
    assert [line.split() for line in out.splitlines() if line.startswith("accuracy")] == [["accuracy", *["0.5000"] * 3]]
    assert "same test rows" in out
    other = sample("yelp")
    changed = other.manifest.model_copy(update={"corpus_digest": "1" * 64})
    store.save(type(other)(changed.to_bytes(), other.files))
    assert "Corpus or split differ" in textclf("models", "compare", "yelp@1", "yelp@4", "--models", store.root)[1]
    code, _, err = textclf("models", "compare", "trec", "--models", store.root)
    assert (code, "needs at least two models" in err) == (2, True)
