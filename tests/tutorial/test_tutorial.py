"""The tutorial's page: exact figures on the real data, and the formatting of spreads and pages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.tutorial import exact, published
from benchmarks.tutorial.__main__ import SECTIONS, main
from benchmarks.tutorial.exact import exact_figures, exact_section
from benchmarks.tutorial.material import UCI, Labelled, Material, labelled, ranked_vocabulary, read_quoted, split
from benchmarks.tutorial.measure import Spread, table
from textclf.training.data import Dataset, Rows


def lines(path: Path) -> Labelled:
    """Return the labelled lines of a UCI file; only a line feed ends a line."""
    pairs = [line.rpartition("\t")[::2] for line in path.read_bytes().decode().split("\n") if line]
    return labelled([text for text, _ in pairs], [label for _, label in pairs], ["0", "1"])


@pytest.fixture
def material(data: Path) -> Material:
    """Return the UCI sources, read without Spark; the tests of the jobs check that Spark reads the same rows."""
    sides = {name: split(lines(data / "uci" / f"{file}.txt").rows) for name, file in UCI.items()}
    return Material(
        {name: Dataset(["0", "1"], *both, "") for name, both in sides.items()},
        {name: ranked_vocabulary(train) for name, (train, _) in sides.items()},
        {name: read_quoted(data / "uci" / f"{file}.txt") for name, file in UCI.items()},
        {},
        data,
    )


def test_every_exact_figure_is_the_published_one(material: Material) -> None:
    found = {figure.what: (str(figure.published), str(figure.measured)) for figure in exact_figures(material)}
    assert {what: pair for what, pair in found.items() if pair[0] != pair[1]} == {}
    for figure in (".7960", ".7487", ".7640", "748", "1714", "2505", "1747", "0.9507727532913566", "25,071", "240,129"):
        assert figure in {measured for _, measured in found.values()}


def test_the_page_is_refused_where_a_figure_differs(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "QUOTED_IMDB_ROWS", 1000)
    with pytest.raises(SystemExit, match="published 1000, measured 748"):
        exact_section(material, 1)


def test_quoting_loses_rows_and_gives_others_the_wrong_label(tmp_path: Path) -> None:
    path = tmp_path / "quoted.txt"
    path.write_text('"Never closed\t1\nlost\t0\nends" here\t0\nplain\t1\n', encoding="utf-8")
    result = read_quoted(path)
    assert result.rows.texts.to_pylist() == ["Never closed\t1\nlost\t0\nends here", "plain"]
    assert result.rows.labels.tolist() == [0, 1]


def test_a_figure_has_its_place_in_the_spread() -> None:
    spread = Spread((0.70, 0.72, 0.74, 0.76))
    assert str(spread) == ".7300 ± .0258 (.7000 to .7600)"
    assert spread.place(0.75) == "inside: 3 of 4 below, +0.8 deviations"
    assert spread.place(0.80) == "outside: 4 of 4 below, +2.7 deviations"
    assert spread.holds(0.76)
    assert not spread.holds(0.6999)
    assert not exact.Exact("what", "1", 2).equal


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [(1, "x")]) == "| a | b |\n| --- | --- |\n| 1 | x |\n"


def test_networks_are_measured_beside_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{'good' if row % 2 else 'bad'} food number {row % 7}" for row in range(24)]
    rows = Rows(pa.array(texts), np.array([row % 2 for row in range(24)], np.int32))
    made = Material({"yelp": Dataset(["0", "1"], rows, rows, "")}, {"yelp": ranked_vocabulary(rows)}, {}, {}, tmp_path)
    one = replace(published.NETWORKS[2], epochs=2, accuracy=0.0)
    monkeypatch.setattr(published, "NETWORKS", (one,))

    page = SECTIONS["networks"](made, 2)

    assert f"| {one.title} | yelp | 2 | .0000 |" in page
    assert "outside: 0 of 2 below" in page


def test_without_data_it_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TEXTCLF_DATA", raising=False)
    monkeypatch.setattr("sys.argv", ["tutorial"])
    assert main() == 2
    assert "the folder that holds uci/, sms_spam/ and trec/" in capsys.readouterr().err
