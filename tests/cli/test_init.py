"""Pipeline files that ``init`` derives from data, and what ingest reads with them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from jobs import build_vocabulary, ingest_corpus, score_table, search_models, train_model
from tests.cli.conftest import Run
from tests.factories.corpora import invented
from tests.factories.pipeline_folder import RunJob
from textclf.cli.init import look_at
from textclf.config import Source, load_pipeline
from textclf.corpus.lines.records import parser
from textclf.errors import InputError
from textclf.storage.files.listing import list_local


def found(tmp_path: Path, name: str, data: bytes | str) -> tuple[Source, Any]:
    """Return the source that a look at one file gives, and the look itself."""
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    ((named,), _) = look_at([str(path)])
    return Source(name=named.name, path=named.path, **named.look.keys), named.look


ROWS = invented(30)


@pytest.mark.parametrize(
    ("name", "data", "keys"),
    [
        ("a.txt", "".join(f"{text}\t{label}\n" for text, label in ROWS),
         {"format": "tsv", "columns": ["text", "label"]}),
        ("sms", "".join(f"{'spam' if label == '1' else 'ham'}\t{text}\n" for text, label in ROWS),
         {"format": "tsv", "columns": ["label", "text"]}),
        ("a.csv", "".join(f'{row};"{text}; he ""said""";{label}\n' for row, (text, label) in enumerate(ROWS)),
         {"format": "csv", "columns": ["unused1", "text", "label"], "delimiter": ";"}),
        ("b.csv", "review,stars\n" + "".join(f'"{text},\nand more",{label}\n' for text, label in ROWS),
         {"format": "csv", "header": True, "text": "review", "label": "stars"}),
        ("c.csv", "id,body,topic\r\n" + "".join(f"{row},{text},{label}\r\n" for row, (text, label) in enumerate(ROWS)),
         {"format": "csv", "header": True, "text": "body", "label": "topic", "quoting": False}),
        ("quotes.txt", "".join(f'"{text} he said. \t{label}\n' for text, label in ROWS),
         {"format": "tsv", "columns": ["text", "label"]}),
        ("a.jsonl", "".join(json.dumps({"n": row, "review": text, "good": label == "1"}) + "\n"
                            for row, (text, label) in enumerate(ROWS)),
         {"format": "jsonl", "text": "review", "label": "good"}),
        ("fast", "".join(f"__label__{label} {text}\n" for text, label in ROWS),
         {"format": "text", "pattern": r"__label__(?P<label>\S+)\s+(?P<text>.*)"}),
        ("latin", "".join(f"caf\u00e9 {text}\t{label}\n" for text, label in ROWS).encode("latin-1"),
         {"format": "tsv", "columns": ["text", "label"], "encoding": "latin-1"}),
    ],
)  # fmt: skip
def test_forms_of_files(tmp_path: Path, name: str, data: bytes | str, keys: dict[str, Any]) -> None:
    source, look = found(tmp_path, name, data)
    assert look.keys == keys
    assert len(look.texts) == len(ROWS)
    assert (look.refused, look.whole) == (0, True)
    assert set(look.labels) in ({"0", "1"}, {"ham", "spam"}, {"false", "true"})
    if not source.quoted:  # ingest reads the same texts from the lines as the look
        lines = (tmp_path / name).read_bytes().split(b"\n")[int(source.header) : -1]
        parse = parser(source, ["id", "body", "topic"] if source.header else None)
        assert [parse(line).text for line in lines] == list(look.texts)


def test_other_records_are_counted(tmp_path: Path) -> None:
    _, look = found(tmp_path, "a.txt", "".join(f"{text}\t{label}\n" for text, label in ROWS * 4) + "no label\n\t1\n")
    assert (len(look.texts), look.refused) == (120, 2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "a binary file"),
        ("text\t1\n".encode("utf-16"), "UTF-16"),
        (b"Some words about the data.\nAnd a line, with a comma.\n", "records as 'Some words about the data.'"),
        ("".join(f"{text}\t1\n" for text, _ in ROWS).encode(), "records as"),
    ],
)
def test_what_is_not_labelled_text(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "readme.txt").write_bytes(data)
    with pytest.raises(InputError, match="Nothing here looks like labelled texts") as caught:
        look_at([str(tmp_path)])
    assert words in str(caught.value)


def test_the_uci_folder(textclf: Run, data: Path, tmp_path: Path) -> None:
    config = tmp_path / "uci.toml"
    code, _, err = textclf("init", data / "uci", "--output", config, "--warehouse", tmp_path / "warehouse")
    assert (code, err) == (0, "")
    pipeline = load_pipeline(config)
    assert [(each.name, each.format, each.columns, each.labels, each.quoted) for each in pipeline.sources] == [
        (name, "tsv", ["text", "label"], ["0", "1"], False) for name in ("amazon_cells", "imdb", "yelp")
    ]
    assert config.read_text().count("# 1,000 labelled texts; labels: ") == 3
    assert textclf("check", "--config", config)[0] == 0
    code, _, err = textclf("init", data / "uci", "--output", config)
    assert (code, "The pipeline file exists already." in err) == (2, True)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_uci_folder_goes_through_the_chain_without_a_hand(
    spark: SparkSession, run_job: RunJob, textclf: Run, data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "pipeline.toml"
    assert textclf("init", data / "uci", "--output", config, "--warehouse", tmp_path / "warehouse")[0] == 0
    assert textclf("check", "--config", config)[0] == 0
    for job in (ingest_corpus, build_vocabulary):
        assert run_job(job, "--config", config)[0] == 0

    code, searched, said = run_job(search_models, "--config", config)
    assert code == 0, said
    sources = {"amazon_cells", "imdb", "yelp"}
    assert {name.partition("@")[0] for name in searched["models"]} == sources
    code, scored, said = run_job(score_table, "--config", config)
    assert (code, scored.get("input_rows"), scored.get("scored_rows")) == (0, 3000, 3000), said
    sql = (
        "SELECT r.source, count(*) AS rows, avg((r.label = c.label)::INT) AS hits "
        "FROM results r JOIN corpus c ON r.source = c.source AND r.id = c.position GROUP BY ALL"
    )
    code, out, said = textclf("query", sql, "--config", config, "--format", "json")
    assert code == 0, said
    found = {row["source"]: (row["rows"], row["hits"]) for row in map(json.loads, out.splitlines())}
    assert {source: rows for source, (rows, _) in found.items()} == dict.fromkeys(sources, 1000)
    # The models were trained on most of these rows.
    assert min(hits for _, hits in found.values()) > 0.85


def test_other_published_files(data: Path) -> None:
    sources, left_out = look_at([str(data / "sms_spam" / "SMSSpamCollection"), str(data / "trec" / "TREC.train")])
    assert left_out == {}
    sms, trec = (source.look for source in sources)
    assert (sms.keys, dict(sms.labels)) == ({"format": "tsv", "columns": ["label", "text"]}, {"ham": 4827, "spam": 747})
    assert (trec.keys["format"], trec.keys["encoding"], len(trec.texts)) == ("text", "latin-1", 5452)
    assert set(trec.labels) == {"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"}


def test_a_parquet_table_goes_through_the_chain_without_a_hand(
    spark: SparkSession, run_job: RunJob, textclf: Run, tmp_path: Path
) -> None:
    rows = invented(80, ("bad", "fine"))
    folder = tmp_path / "feedback"
    folder.mkdir()
    columns = {
        "customer": pa.array([f"c{row % 7}" for row in range(80)]),
        "written": pa.array([1_700_000_000_000_000 + row for row in range(80)], pa.timestamp("us")),
        "what_they_said": pa.array([text for text, _ in rows]),
        "verdict": pa.array([label for _, label in rows]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), folder / "part-0.parquet")
    table = pa.table(
        {"key": range(100, 104), "words": ["good food", "bad food", "the place", None], "ds": ["2026-01-31"] * 4}
    )
    pq.write_table(table, tmp_path / "new.parquet")
    config = tmp_path / "pipeline.toml"
    flags = ("--output", config, "--warehouse", tmp_path / "warehouse", "--score", tmp_path / "new.parquet")
    assert textclf("init", folder, *flags)[0] == 0
    assert textclf("check", "--config", config)[0] == 0
    source = load_pipeline(config).sources[0]
    assert (source.name, source.text, source.label) == ("feedback", "what_they_said", "verdict")
    assert source.labels == ["bad", "fine"]
    assert "# other columns that could be the label: customer" in config.read_text()

    ingested = run_job(ingest_corpus, "--config", config)[1]
    assert run_job(build_vocabulary, "--config", config)[0] == 0
    assert run_job(train_model, "--config", config, "--architecture", "logistic_regression")[0] == 0
    code, scored, err = run_job(score_table, "--config", config)
    assert ingested["details"]["sources"]["feedback"]["accepted"] == 80
    assert (code, scored.get("input_rows"), scored.get("scored_rows"), scored.get("rejected_rows")) == (0, 4, 3, 1), err
    code, out, _ = textclf("query", "SELECT id, label FROM results ORDER BY id", "--config", config, "--format", "json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [100, 101, 102]
    code, out, _ = textclf("check", "--config", config, "--spark", "--json")
    assert code == 0, out
    assert {json.loads(line)["name"]: json.loads(line)["verdict"] for line in out.splitlines()}["Spark session"] == "ok"
    assert not (tmp_path / "warehouse/_staging").exists() or not os.listdir(tmp_path / "warehouse/_staging")


TWO_LABELS = "text,topic,sentiment\n" + "".join(
    f"{text},{('staff', 'food')[row % 3 > 0]},{label}\n" for row, (text, label) in enumerate(ROWS)
)


def test_two_readings_that_are_as_good_are_shown_with_what_each_would_read(textclf: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TWO_LABELS)
    config = tmp_path / "p.toml"
    code, out, err = textclf("init", tmp_path / "a.csv", "--output", config)
    assert (code, out, config.exists()) == (2, "", False)
    assert "2. --set label=sentiment: 30 records, 2 labels (0 15, 1 15), 0 rejected" in err
    assert "1. --set label=topic: 30 records, 2 labels (food 20, staff 10), 0 rejected" in err
    assert textclf("init", tmp_path / "a.csv", "--output", config, "--set", "label=topic")[0] == 0
    assert load_pipeline(config).sources[0].label == "topic"
    code, _, err = textclf("init", tmp_path / "a.csv", "--output", config, "--force", "--set", "label")
    assert (code, "KEY=VALUE with a key of: format" in err) == (2, True)


def test_at_a_terminal_the_person_is_asked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TWO_LABELS)
    config = tmp_path / "p.toml"
    terminal, other = pty.openpty()
    command = [sys.executable, "-m", "textclf", "init", str(tmp_path / "a.csv"), "--output", str(config)]
    with subprocess.Popen(command, stdin=other, stdout=other, stderr=subprocess.DEVNULL) as running:
        os.close(other)
        os.write(terminal, b"3\n1\n")
        shown = b""
        while b"Wrote" not in shown:
            shown += os.read(terminal, 4096)
        assert running.wait(60) == 0
    os.close(terminal)
    assert shown.count(b"Which? 1 to 2") == 2
    assert load_pipeline(config).sources[0].label == "topic"


@pytest.mark.parametrize(
    ("lines", "fix"),
    [
        ([{"data": {"text": text}, "meta": [{"label": label}]} for text, label in ROWS],
         "jq -c '{text: .data.text, label: .meta[0].label}' FILE > NEW"),
        ([{"a b": {"it's": text}, "label": label} for text, label in ROWS],
         "jq -c '{text: .[\"a b\"][\"it\\u0027s\"], label: .label}' FILE > NEW"),
        ([{"text": ["x"], "n": 1}] * 30, 'at its top level: "text" holds ["x"]'),
        ([{"id": row, "score": row / 7} for row in range(30)], "JSON without a usable text and label: {"),
    ],
)  # fmt: skip
def test_json_without_a_label_at_its_top_is_not_read_as_anything_else(
    tmp_path: Path, lines: list[dict[str, Any]], fix: str
) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError) as caught:
        look_at([str(tmp_path / "a.jsonl")])
    assert fix in str(caught.value)


def test_what_is_not_sure_stands_in_the_file_and_on_standard_error(textclf: Run, tmp_path: Path) -> None:
    lines = "".join(f"caf\u00e9 {text},{label}\n" for text, label in ROWS * 3).encode()
    for name, data, note in (
        ("utf", lines + b"caf\xe9,1\n", "1 line with bytes that are not UTF-8, which ingest_corpus will reject"),
        ("odd", lines.replace("\u00e9".encode(), b"\xe9"), "not UTF-8: read as latin-1, for example 'caf\u00e9'"),
    ):
        (tmp_path / name).write_bytes(data)
        code, out, err = textclf("init", tmp_path / name, "--output", "-")
        assert (code, err.startswith(f"textclf init: {name}: {note}\n{name}: csv, ")) == (0, True), err
        assert f"# {note}\n" in out


def test_a_source_has_the_files_that_were_looked_at_and_no_others(tmp_path: Path) -> None:
    lines = "".join(f"{text}\t{label}\n" for text, label in ROWS)
    for name in ("a/part-00000-x.tsv", "a/part-00001-x.tsv", "a/_SUCCESS", "a/.part.crc", "b/r1.tsv", "b/r2.tsv",
                 "b/other.tsv", "c d[1]/r1.tsv", "c d[1]/r2.tsv", "e/y1.tsv", "e/y2.tsv", "e/ynot.tsv"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(lines if "_" not in name else "")
    with pytest.raises(InputError, match="a subfolder: name it on the command line to include it"):
        look_at([str(tmp_path)])
    sources, left_out = look_at([str(tmp_path / name) for name in ("a", "b", "c d[1]", "e")])
    assert left_out == {}
    read = {each.path.removeprefix(f"{tmp_path}/"): len(each.look.texts) for each in sources}
    assert {path: rows for path, rows in read.items() if not path.startswith("c")} == {
        "a": 60, "b/r*.tsv": 60, "b/other.tsv": 30, "e/y1.tsv": 30, "e/y2.tsv": 30, "e/ynot.tsv": 30,
    }  # fmt: skip
    paths = [source.path for source in sources]
    assert [len(list_local(path).files) * 30 for path in paths] == list(read.values())
