import hashlib
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.text import Text
from pyspark.sql import SparkSession

from jobs import search_models
from tests.factories.figures import FIGURES, HISTORY, measured
from tests.processes import run_module
from textclf.errors import InputError
from textclf.report import search_figures
from textclf.report.training_figures import confusion_figure, history_figure, reliability_figure, save
from textclf.training.evaluation import evaluate


def texts(figure: Any) -> list[str]:
    """Return all text of a figure."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def png_chunks(data: bytes) -> list[bytes]:
    """Return the types of a PNG file's chunks, in order."""
    kinds, start = [], 8
    while start < len(data):
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        kinds.append(kind)
        start += 12 + size
    return kinds


def test_history_has_accuracy_and_loss_side_by_side() -> None:
    axes: list[Any] = history_figure(HISTORY).axes
    left, right = axes
    assert (left.get_title(), right.get_title()) == ("Training and validation accuracy", "Training and validation loss")
    for side, measure in ((left, "accuracy"), (right, "loss")):
        lines = {line.get_label(): line for line in side.lines}
        assert list(lines) == ["Training", "Validation"]
        assert list(lines["Training"].get_xdata()) == [1, 2, 3]
        assert list(lines["Training"].get_ydata()) == HISTORY[measure]
        assert list(lines["Validation"].get_ydata()) == HISTORY[f"val_{measure}"]


def test_history_without_validation_and_of_one_epoch() -> None:
    left, _ = history_figure({"accuracy": [0.5], "loss": [0.7]}).axes
    assert (left.get_title(), [line.get_label() for line in left.lines]) == ("Training accuracy", ["Training"])
    assert left.lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("history", "received"),
    [
        ({}, "no epochs"),
        ({"accuracy": [], "loss": []}, "accuracy: 0 epochs"),
        ({"loss": [0.5]}, "loss: 1 epochs"),
        ({"accuracy": [0.5, 0.6], "loss": [0.5]}, "accuracy: 2 epochs, loss: 1 epochs"),
    ],
)
def test_a_history_that_cannot_be_drawn_is_refused(history: dict[str, list[float]], received: str) -> None:
    with pytest.raises(InputError, match=f"(?s)cannot be drawn.*received: {received}.*one number per epoch"):
        history_figure(history)


def test_confusion_writes_counts_and_shares() -> None:
    figure = confusion_figure(measured())
    assert {"2\n67%", "1\n33%", "0", "1\n100%", "Accuracy 0.750 on 4 rows"} <= set(texts(figure))
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["no", "yes"]
    assert axes.yaxis_inverted()


def test_labels_are_written_as_they_are_and_cut_where_long(tmp_path: Path) -> None:
    figure = confusion_figure(measured("$a_{", "a label much longer than any axis has room for"))
    assert {"$a_{", "a label much longer tha…"} <= set(texts(figure))
    save(figure, tmp_path / "figure")


def test_many_labels_leave_no_numbers_in_the_cells() -> None:
    size = 21
    result = evaluate(np.eye(size), np.arange(size), [f"label {row}" for row in range(size)], resamples=1)
    assert "1\n100%" not in texts(confusion_figure(result))


def test_a_label_without_rows_has_an_empty_row() -> None:
    result = evaluate(np.array([[0.9, 0.1]]), np.array([0]), ["no", "yes"], resamples=1)
    assert texts(confusion_figure(result)).count("0") == 3


def test_reliability_draws_each_bin() -> None:
    axes: list[Any] = reliability_figure(measured()).axes
    above, below = axes
    assert above.get_title() == "Expected calibration error 0.375"
    assert [bar.get_height() for bar in above.patches] == [1, 0, 1, 1]
    assert [bar.get_height() for bar in below.patches] == [1, 1, 1, 1]
    assert [round(bar.get_x() * 15) for bar in above.patches] == [7, 10, 11, 13]


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    first = [path.read_bytes() for path in save(FIGURES[name](), tmp_path / "a" / name)]
    second = [path.read_bytes() for path in save(FIGURES[name](), tmp_path / "b" / name)]
    assert first == second
    png, svg = first
    assert set(png_chunks(png)) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    pixels = imread(tmp_path / "a" / f"{name}.png")
    assert min(pixels.shape[:2]) > 500
    assert len(np.unique(pixels)) > 20
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<dc:date>" not in svg


def test_another_process_with_other_settings_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 17\naxes.facecolor: red\nsavefig.dpi: 30\nsvg.fonttype: none\n")
    settings = {"MATPLOTLIBRC": str(tmp_path), "MPLCONFIGDIR": str(tmp_path / "cache"), "PATH": ""}
    run = run_module("tests.report.figure_digests_process", tmp_path / "there", environ=settings)
    expected = [
        hashlib.sha256(path.read_bytes()).hexdigest()
        for make in FIGURES.values()
        for path in save(make(), tmp_path / "here")
    ]
    assert run.stdout.split() == expected


@pytest.mark.parametrize("given", ["model.v1", "model.v1.png", "model.v1.svg"])
def test_both_files_lie_beside_each_other(tmp_path: Path, given: str) -> None:
    result = save(FIGURES["history"](), tmp_path / "deep" / given)
    assert result == (tmp_path / "deep" / "model.v1.png", tmp_path / "deep" / "model.v1.svg")
    assert sorted((tmp_path / "deep").iterdir()) == sorted(result)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"(?s)cannot be written.*what to do: check the path"):
        save(FIGURES["history"](), tmp_path / "file" / "figure")


def test_matplotlib_is_imported_late_and_its_settings_stay() -> None:
    run_module("tests.report.matplotlib_process")


def test_figures_of_a_search_are_saved_below_a_url(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search_figures, "search_figures", lambda report: [("a-curves", history_figure(report))])
    report: Any = HISTORY

    search_models._draw(report, f"file:{tmp_path}/figures")

    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["a-curves.png", "a-curves.svg"]
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
