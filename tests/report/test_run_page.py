"""The report of real runs, checked by the text of its page."""

import base64
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import report as job
from tests.factories.artifacts import sample
from tests.factories.corpora import source_toml
from tests.factories.pipeline_folder import RunJob
from textclf.artifact import Artifact, ModelStore
from textclf.config import load_pipeline
from textclf.errors import GateError
from textclf.report.run.data import load_run
from textclf.report.run.page import gate_checks
from textclf.runs.record import RunRecord
from textclf.runs.workspace import Workspace
from textclf.scoring.score import ScoreOptions, score_table
from textclf.storage import Warehouse

NASTY = "<script>alert('good')</script> & good"


class Page(HTMLParser):
    """A page's tables as rows of cells, its images and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.images: list[str] = []
        self.addresses: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "tr":
            self.rows.append([])
        self._inside = tag in ("td", "th") or (self._inside and tag != "tr")
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "img":
            self.images.append(values.get("src") or "")
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data

    def row(self, *first: str) -> list[str]:
        return next(row for row in self.rows if row[: len(first)] == list(first))


def opposite(artifact: Artifact) -> Artifact:
    """Return a logistic regression with the sign of every weight flipped."""
    turned = {name: -tensor for name, tensor in artifact.weights.items()}
    return Artifact.pack(artifact.manifest, turned, artifact.vocabulary, artifact.golden)


@pytest.fixture(scope="module")
def scored(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Score two nights of yelp; return the pipeline file and the second run.

    The second night has more bad texts, refused rows, a text full of markup, and a challenger that prefers bad texts.
    """
    folder = tmp_path_factory.mktemp("report")
    store = ModelStore(str(folder / "warehouse/models"))
    store.save(sample("yelp"))
    store.save(opposite(sample("yelp", seed=1)))
    store.promote("yelp", "1")
    config = folder / "pipeline.toml"
    score = f'[score]\nmodel = "yelp"\ninput = "{folder / "input"}"\n'
    config.write_text(f'warehouse = "{folder / "warehouse"}"\n{source_toml("yelp")}{score}')
    pipeline = load_pipeline(config)
    nights: dict[str, list[str | None]] = {
        "2026-01-30": [*["good"] * 8, *["bad"] * 2],
        "2026-01-31": [*["good"] * 3, *["bad"] * 6, NASTY, None],
    }
    for day, texts in nights.items():
        rows = spark.createDataFrame(list(enumerate(texts)), "id long, text string").coalesce(1)
        rows.write.format("delta").mode("overwrite").save(str(folder / "input"))
        run = RunRecord("score_table")
        challengers = ("yelp@2",) if day == "2026-01-31" else ()
        options = ScoreOptions(day=date.fromisoformat(day), challengers=challengers)
        score_table(Workspace(spark, pipeline), run, options)
        run.end("succeeded")
        run.append(spark, Warehouse.of(pipeline))
    store.promote("yelp", "2")
    return config, run.run_id


def test_the_page_has_the_figures_of_the_tables(scored: tuple[Path, str], run_job: RunJob) -> None:
    config, run_id = scored
    code, made, err = run_job(job, "--config", config)
    assert code == 0, err
    path = Path(made["details"]["report"])
    assert path == config.parent / "warehouse/reports" / f"{run_id}.html"
    text = path.read_text()
    page = Page(text)

    for number, what in (("11", "input rows"), ("10", "scored"), ("1", "rejected")):
        assert f"<b>{number}</b><span>{what}</span>" in text
    row = page.row("yelp", str(date(2026, 1, 31)))
    assert (row[2], row[3], row[6], row[7], row[8]) == ("10", "10", "0", "60.0%", "20.0%")
    assert page.row("yelp", "null_text")[2:] == ["1", "9.1%"]
    assert page.row("yelp@1")[1:4] == ["used in this run", "logistic_regression", "0.5000"]
    assert page.row("yelp@2")[1:3] == ["challenger, champion now", "logistic_regression"]
    assert page.row("yelp", "yelp@1")[2:6] == ["yelp@2", "10", "0.0%", "10"]
    assert page.row("0", "1")[2:] == ["6", "60.0%"]
    assert page.row("1", "0")[2:] == ["4", "40.0%"]
    assert len([row for row in page.rows if re.match(r"\d{8}T", row[0])]) == 1  # one earlier run
    assert "Texts are not shown" in text
    assert NASTY not in text
    assert "alert" not in text


def test_the_page_needs_nothing_beside_itself(scored: tuple[Path, str], run_job: RunJob) -> None:
    config, run_id = scored
    output = config.parent / "page.html"
    allowed = config.with_name("allowed.toml")
    allowed.write_text(config.read_text() + "[report]\ntexts = true\nexamples = 11\n")
    code, _, err = run_job(job, "--config", allowed, "--run", run_id, "--output", output)
    assert code == 0, err
    text = output.read_text()
    page = Page(text)
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    assert len(page.images) == 2
    pictures = [base64.b64decode(image.partition(",")[2]).decode() for image in page.images]
    assert all(picture.rstrip().endswith("</svg>") for picture in pictures)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert page.row("9")[4] == NASTY  # shown as text, not as markup
    assert '<meta name="viewport" content="width=device-width' in text
    assert re.search(r"@media print", text)


def test_a_refused_run_shows_what_it_scored_and_why_it_was_refused(
    spark: SparkSession, scored: tuple[Path, str], run_job: RunJob
) -> None:
    config = scored[0].with_name("strict.toml")
    config.write_text(scored[0].read_text() + "[gate]\nmax_rejects = 0.0\n")
    pipeline, run = load_pipeline(config), RunRecord("score_table")
    texts = ["good", "bad", "bad", None, None]
    spark.createDataFrame(list(enumerate(texts)), "id long, text string").write.parquet(str(config.parent / "third"))
    options = ScoreOptions(input=str(config.parent / "third"), day=date(2026, 2, 6), model="yelp@1")
    with pytest.raises(GateError) as refused:
        score_table(Workspace(spark, pipeline), run, options)
    run.end("refused", str(refused.value))
    run.append(spark, Warehouse.of(pipeline))

    code, made, err = run_job(job, "--config", config, "--run", run.run_id)

    assert code == 0, err
    text = Path(made["details"]["report"]).read_text()
    page = Page(text)
    assert "0 of the 3 scored rows are in the results now" in text
    row = page.row("yelp", "2026-02-06")
    assert (row[2], row[3], row[6], row[7], row[8]) == ("3", "20", "0", "66.7%", "40.0%")  # 40.0%: both nights
    assert "before: 2026-01-30 to 2026-01-31" in text
    assert page.row("yelp", "null_text")[2:] == ["2", "40.0%"]
    assert page.row("slice")[1:3] == ["rejects", "unknown"]
    assert page.row("2026-02-06/yelp")[1:3] == ["0.4000 failed", "0.0000"]


def test_a_run_that_is_not_there(scored: tuple[Path, str], run_job: RunJob) -> None:
    code, _, err = run_job(job, "--config", scored[0], "--run", "20200101T000000-00000000")
    assert code == 3
    assert "There is no such run." in err


def test_checks_of_any_gate_are_found() -> None:
    plain = {"shift": {"verdict": "failed", "expected": "at most 0.1", "received": 0.4, "source": "yelp"}}
    assert gate_checks(plain) == [
        {"name": "shift", "verdict": "failed", "expected": "at most 0.1", "received": 0.4, "more": "source: yelp"}
    ]
    summary = {
        "verdict": "refused",
        "checks": {
            "label_shift": {"judged": 3, "failed": 1, "limit": 0.25, "highest": 0.9},
            "rejects": {"judged": 3, "failed": 0, "limit": None, "highest": 0.0},
        },
        "failed": [{"check": "label_shift", "slice": "d/yelp", "received": "0.9", "expected": "at most 0.25"}],
        "figures": {"rows": 3},
    }
    found = [(each["name"], each["verdict"], each["expected"], each["received"]) for each in gate_checks(summary)]
    assert found == [
        ("label_shift", "failed", "at most 0.25", 0.9),
        ("rejects", "passed", "no limit", 0.0),
        ("label_shift d/yelp", "failed", "at most 0.25", "0.9"),
    ]
    assert gate_checks({}) == []


def test_places_that_the_environment_gave_are_found(
    spark: SparkSession, scored: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, run_id = scored
    folder = str(config.parent)
    monkeypatch.setenv("TEXTCLF_REPORT_FOLDER", folder)
    other = config.with_name("environment.toml")
    other.write_text(config.read_text().replace(folder, "${TEXTCLF_REPORT_FOLDER}") + "[report]\ntexts = true\n")
    pipeline = load_pipeline(other)
    warehouse = Warehouse.of(pipeline)
    run = RunRecord("score_table", run_id=run_id, input=f"{folder}/input")
    run.tables["results"] = str(warehouse.location("results"))
    run.end("succeeded")
    run.append(spark, warehouse)  # replaces the folder's path by the variable

    found = load_run(Workspace(spark, pipeline), run_id)

    assert found.run["input"] == "${TEXTCLF_REPORT_FOLDER}/input"
    assert found.now["yelp"].rows == 10
    assert found.examples
