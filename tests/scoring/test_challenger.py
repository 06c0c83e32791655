"""Champion and challenger in one pass: each scores as it does alone, into separate columns."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.factories.artifacts import sample
from tests.factories.corpora import source_toml
from tests.factories.worker_models import models
from tests.scoring.scoring import DAY, ONE_MODEL, ROUTED, Scoring, values
from textclf.artifact import Artifact
from textclf.scoring.worker.batch import CHALLENGER, Wanted, score_batch
from textclf.scoring.worker.models import Models
from textclf.storage.schemas import CHALLENGED
from textclf.text.token_index import TokenIndex

TEXTS = ["the good food", None, "bad", "", "good again was bad"]


def batch(champion: Artifact, challenger: Artifact, **wanted: bool) -> pa.StructArray:
    mine, other = models(champion), models(challenger)
    given = Models(mine.by_key, {champion.manifest.name: other.by_key[challenger.manifest.name]})
    asked = Wanted(challenger=True, **wanted)
    answer = score_batch(pa.array(TEXTS, pa.string()), None, given, asked)
    answer.validate(full=True)
    assert answer.type.names == asked.schema.fieldNames()
    return answer


CNN = sample("a", kind="cnn")


@pytest.mark.parametrize(
    ("challenger", "reads"),
    [
        (sample("a", kind="cnn", seed=1), 1),
        (sample("b", kind="kim_cnn", seed=1), 1),
        (sample("a", kind="cnn", words=("again", "bad", "food", "good"), seed=1), 2),
        (sample("a"), 2),  # has another tokenizer
    ],
)
def test_texts_are_read_once_where_both_know_the_same_tokens(
    challenger: Artifact, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(CNN, challenger)  # builds the scorers
    read: list[int] = []
    ragged = TokenIndex.ragged

    def counted(self: TokenIndex, texts: pa.Array) -> Any:
        read.append(len(texts))
        return ragged(self, texts)

    monkeypatch.setattr(TokenIndex, "ragged", counted)
    answer = batch(CNN, challenger, scores=True, all_scores=True)
    assert read == [len(TEXTS)] * reads

    for prefix, artifact in (("", CNN), (CHALLENGER, challenger)):
        alone = score_batch(pa.array(TEXTS, pa.string()), None, models(artifact), Wanted(scores=True, all_scores=True))
        for name in ("label", "score", "scores"):
            assert answer.field(prefix + name).equals(alone.field(name))  # bitwise equal


def test_evidence_and_known_tokens_are_the_champions() -> None:
    answer = batch(sample("a"), sample("a", words=("zzz",), given={}), evidence=True)
    assert answer.field("known_tokens").to_pylist() == [3, None, 1, 0, 4]
    assert answer.field("evidence").to_pylist()[0] == "good"


@pytest.mark.long
def test_a_table_gets_the_columns_with_the_first_challenger_and_keeps_them(scoring: Scoring) -> None:
    other = scoring.store.save(sample("yelp", seed=5, kind="cnn"))
    scoring.configure(ONE_MODEL)
    path = scoring.write(list(enumerate(TEXTS)), "id int, text string")

    before = scoring.score(path, day=DAY)
    assert "challenger_label" not in scoring.results.columns
    assert "challengers" not in before.details
    with_one = scoring.score(path, day=DAY + timedelta(days=1), challengers=("newest",), all_scores=True)
    after = scoring.score(path, day=DAY + timedelta(days=2))
    elsewhere = str(scoring.folder / "elsewhere")
    scoring.score(path, day=DAY, output=elsewhere, model="yelp@2", all_scores=True)

    assert with_one.details["challengers"] == {"yelp": "yelp@2"}
    assert with_one.models == {"yelp@1": scoring.store.load("yelp").digest, "yelp@2": other.digest}
    assert with_one.details["backends"]["yelp@2"] == "compiled: cnn can be compiled"
    assert with_one.gate is not None
    assert (with_one.scored_rows, with_one.rejected_rows, with_one.gate["verdict"]) == (4, 1, "passed")
    rows = scoring.results
    assert rows.columns[-6:] == CHALLENGED.fieldNames()
    challenged = rows.where(rows["run_id"] == with_one.run_id)
    alone = scoring.spark.read.format("delta").load(elsewhere)
    names = ("label", "score", "scores", "model", "version", "digest")
    theirs = ["label", "score", "scores", "model", "model_version", "model_digest"]
    assert values(challenged, "id", *(CHALLENGER + name for name in names)) == values(alone, "id", *theirs)
    for run in (before, after):
        others = rows.where(rows["run_id"] == run.run_id)
        assert values(others, *CHALLENGED.fieldNames()) == [(None,) * 6] * 4
        # The champion's scores are the same with and without a challenger.
        assert values(others, "id", "label", "score", "model") == values(challenged, "id", "label", "score", "model")


@pytest.mark.long
def test_each_source_has_a_challenger_of_its_own_or_none(scoring: Scoring) -> None:
    scoring.store.save(sample("trec", labels=tuple("ABCDEF"), seed=7))
    scoring.promote(sample("imdb"))
    rows = [(1, "good", "yelp", DAY), (2, "good", "trec", DAY), (3, "good", "imdb", DAY), (4, "good", "none", DAY)]
    path = scoring.write([*rows, (5, None, "trec", DAY)], "id int, text string, source string, ds date")
    scoring.configure(ROUTED + 'challenger = { trec = "trec@2", imdb = "yelp@1" }\n')

    run = scoring.score(path)

    found = {row["id"]: row.asDict() for row in scoring.results.collect()}
    assert {key: (row["model"], row["challenger_model"], row["challenger_version"]) for key, row in found.items()} == {
        1: ("yelp", None, None),
        2: ("trec", "trec", "2"),
        3: ("imdb", "yelp", "1"),
    }
    assert found[2]["challenger_label"] in "ABCDEF"
    assert found[2]["challenger_score"] == max(found[2]["challenger_scores"])
    assert len(found[2]["challenger_scores"]) == len(found[2]["scores"]) == 6
    assert found[3]["challenger_scores"] is None  # two-label models write all scores only on request
    assert run.details["challengers"] == {"trec": "trec@2", "imdb": "yelp@1"}
    assert set(run.models) == {"yelp@1", "trec@1", "trec@2", "imdb@1"}

    newest = scoring.score(path, challengers=("newest",))
    assert newest.details["challengers"] == {"trec": "trec@2"}  # the other champions are the newest versions
    one = scoring.score(path, challengers=("yelp", "imdb=trec@1"))
    assert one.details["challengers"] == {"imdb": "trec@1", "trec": "yelp@1"}  # yelp does not challenge itself


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--challenger", "imdb=yelp@1"], 2, "A challenger has no champion to score beside.\n  received: imdb=yelp@1"),
        (["--challenger", "yelp@1"], 2, "The challenger is the champion itself.\n  received: yelp@1"),
        (["--challenger", "yelp@2", "--challenger", "yelp@3"], 2, "Two challengers are given for the same rows."),
        (["--challenger", "yelp 2"], 2, "This is not a reference to a model."),
        (["--challenger", "yelp@9"], 3, "There is no such model."),
    ],
)
def test_a_challenger_that_makes_no_sense_is_refused(
    scoring: Scoring, flags: list[str], code: int, message: str
) -> None:
    scoring.configure(ONE_MODEL)
    found = scoring.job("--input", scoring.write([(1, "good")], "id int, text string"), *flags)
    assert (found, scoring.record["status"]) == (code, "failed")
    assert message in scoring.said


@pytest.mark.long
def test_the_newest_version_may_be_the_champion_and_a_model_by_hand_has_no_challenger(scoring: Scoring) -> None:
    path = scoring.write([(1, "good")], "id int, text string")
    scoring.configure(source_toml("yelp") + '[score]\nmodel = "yelp"\nchallenger = "newest"\n')
    assert "challengers" not in scoring.score(path, day=DAY).details
    scoring.store.save(sample("yelp", seed=9))
    assert "challengers" in scoring.score(path, day=DAY).details
    assert "challengers" not in scoring.score(path, day=DAY, model="trec").details
    assert np.isfinite(values(scoring.results, "score")[0][0])
