"""The summary of a run at a real terminal: what each job's says, in 80 columns and in 40."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.factories.terminals import Session, at_terminal
from textclf.common.secrets import remember

SOURCES = {
    "restaurants": {"records": 1007, "accepted": 1000, "rejected": 7, "reasons": {"blank_record": 2, "empty_text": 5}},
    "films": {"records": 1_234_567, "accepted": 1_234_567, "rejected": 0, "reasons": {}},
}
LONG = "/data/warehouses/of/a/team/that/likes/long/names/textclf/production/corpus"
RECORDS: dict[str, dict[str, Any]] = {
    "ingest_corpus": {
        "details": {
            "sources": SOURCES,
            "refused": {"news": {"problem": "The delivery of source news has too many rejects and is refused."}},
        },
        "tables": {"corpus": LONG, "corpus_rejects": f"{LONG}_rejects"},
    },
    "build_vocabulary": {
        "details": {
            "sources": {"films": {"rows": 1000, "training_rows": 750, "test_rows": 250, "words": 190, "tokens": 6991}}
        },
        "tables": {"tokens": "w/tokens", "vocabulary": "w/vocabulary"},
    },
    "train_model": {
        "details": {
            "films": {
                "version": "2", "architecture": "cnn", "accuracy": 0.88, "accuracy_interval": [0.836, 0.92],
                "macro_f1": 0.8799, "champion": "1",
            }
        }
    },
    "search_models": {
        "details": {
            "trials_run": 27,
            "trials_known": 3,
            "sources": {
                "films": {
                    "version": "1", "accuracy": 0.84, "accuracy_interval": [0.79, 0.88],
                    "chosen": {
                        "architecture": "cnn", "params": {"num_filters": 64}, "accuracy": 0.8212,
                        "standard_error": 0.0101,
                    },
                    "baseline": {
                        "architecture": "logistic_regression", "params": {}, "accuracy": 0.8031,
                        "standard_error": 0.0092,
                    },
                },
                "news": {"problem": "news has 1 label; expected at least 2"},
            },
        }
    },
    "score_table": {
        "status": "refused",
        "error": "The audit refused the scored rows; nothing was published.",
        "input": "w/texts", "input_rows": 20000, "scored_rows": 6619, "rejected_rows": 13381,
        "models": {"films@1": "0" * 64},
        "gate": {
            "verdict": "refused",
            "failed": [
                {"check": "rejects", "slice": "2026-01-05/films", "received": "5 of 5 rows", "expected": "at most 0.1"}
            ],
        },
        "details": {"day": "2026-01-05", "rejects": {"no_model": 13361, "null_text": 20}},
        "tables": {"results": "w/results"},
    },
    "nightly": {
        "input_rows": 20, "scored_rows": 20, "rejected_rows": 0,
        "details": {
            "steps": [
                {"step": "ingest", "state": "done", "why": "new files", "seconds": 12.3},
                {"step": "report", "state": "skipped", "why": "the page exists", "seconds": 0.1},
            ],
            "reports": ["w/reports/run.html"],
        },
    },
    "maintain_tables": {"details": {"upkeep": {"corpus": {"files_before": 12, "files": 1, "bytes": 12345}}}},
    "report": {"details": {"run": "20260131T000000-ffffffff", "report": "w/reports/run.html"}},
    "show_run": {"details": {"run": {"job": "score_table"}}},
    "another": {"input_rows": 3, "details": {}},
}  # fmt: skip
SAID = {
    "ingest_corpus": ["1,007", "1,234,567", "empty_text 5, blank_record 2", "refused", LONG, f"{LONG}_rejects"],
    "build_vocabulary": ["750", "250", "6,991", "w/vocabulary"],
    "train_model": ["films@2", "cnn", ".8800", ".8360 to .9200", "no, 1 is"],
    "search_models": ["films@1", "cnn (num_filters 64)", ".7900 to .8800", ".8212 ± .0101", ".8031 ± .0092", "1 label"],
    "score_table": ["20,000", "13,381", "no_model 13,361", "rejects of 2026-01-05/films", "at most 0.1", "w/results"],
    "nightly": ["ingest", "new files", "12.3", "skipped", "w/reports/run.html"],
    "maintain_tables": ["12", "12,345"],
    "report": ["w/reports/run.html", "20260131T000000-ffffffff"],
    "show_run": [],
    "another": ["read"],
}
NEXT = "./spark-submit.sh build_vocabulary --config conf/a/long/path/to/a/pipeline/file.toml --source 'my films'"


def show(tmp_path: Path, columns: int, job: str, record: dict[str, Any], *words: str, **given: Any) -> Session:
    file = tmp_path / "record.json"
    file.write_text(json.dumps({"job": job, **record}))
    return at_terminal([sys.executable, "-m", "tests.workflow.summary_process", file, *words], columns, **given)


def words_of(lines: list[str]) -> str:
    return re.sub(r"\s+", " ", " ".join(lines))


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("job", RECORDS)
def test_each_job_says_what_became_of_its_input(job: str, columns: int, tmp_path: Path) -> None:
    done = show(tmp_path, columns, job, RECORDS[job], NEXT)

    assert done.code == 0, done.written
    status = RECORDS[job].get("status", "succeeded")
    assert done.shown[0] == f"{'✓' if status == 'succeeded' else '✗'} {job} {status}, 12.3 s"
    assert [part for part in SAID[job] if part not in words_of(done.shown)] == []
    assert done.shown[-2:] == ["next", NEXT]  # on one line of the terminal, so that it can be copied
    too_long = [line for line in done.shown[:-1] if len(line) >= columns]
    assert all(" " not in line.strip() or LONG in line for line in too_long), too_long  # places stay whole


def test_a_table_has_one_line_a_row_where_there_is_room(tmp_path: Path) -> None:
    done = show(tmp_path, 80, "ingest_corpus", RECORDS["ingest_corpus"])

    assert done.shown[2:5] == [
        "  source            read   accepted  rejected",
        "  restaurants      1,007      1,000         7",
        "  films        1,234,567  1,234,567         0",
    ]


def test_many_rows_are_counted(tmp_path: Path) -> None:
    sources = {f"source-{number}": SOURCES["films"] for number in range(500)}
    done = show(tmp_path, 80, "ingest_corpus", {"details": {"sources": sources}})

    assert len(done.shown) < 30
    assert "  and 480 more, in the run record" in done.shown


def test_colours_only_where_they_are_wanted(tmp_path: Path) -> None:
    assert "\x1b[32m" in show(tmp_path, 80, "report", RECORDS["report"], NEXT).colours
    plain = show(tmp_path, 80, "report", RECORDS["report"], NEXT, environ={"NO_COLOR": "1"})
    assert not {code for code in plain.colours if re.search(r"[\[;][349]\dm", code)}


def test_names_that_a_terminal_would_act_on_are_shown_as_escapes(tmp_path: Path) -> None:
    sources = {"a\x1b[2J[red]b": SOURCES["films"], "東京": SOURCES["restaurants"]}
    done = show(tmp_path, 80, "ingest_corpus", {"details": {"sources": sources}})
    assert any("a\\x1b[2J[red]b" in line for line in done.shown)

    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = show(tmp_path, 80, "ingest_corpus", {"details": {"sources": sources}}, environ=ascii_only)
    assert done.code == 0
    assert done.written.isascii()


def test_a_secret_stays_masked(tmp_path: Path) -> None:
    record = {"error": "no access to s3a://key:secret@bucket/x", "status": "failed", "input": "s3a://key:secret@bucket"}
    remember("SECRET", "secret-of-a-test")
    done = show(tmp_path, 80, "score_table", record | {"tables": {"results": "s3a://key:secret@bucket/results"}})
    assert "secret" not in done.written
