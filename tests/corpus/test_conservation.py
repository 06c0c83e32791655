"""No record is altered or lost, compared with readers written from the rules alone; the soak runs this longer."""

import json
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.fuzz import FUZZ
from tests.soak.job_files import compared, placed_sources, through_the_job, wanted_rows
from tests.soak.library_readers import library_difference
from tests.soak.readers import FILES, file_differences, product_difference, read_batch, source_of
from tests.soak.reference_reader import Rules, checked, lines_of, read, without_return
from tests.soak.sample_files import KINDS, SampleFile, sample_file
from tests.soak.soak_state import SoakState, soak

FEW = ("csv", "csv escape", "csv plain", "jsonl numbers", "parquet")  # read through Spark, which takes seconds each
SEED = 20  # gives other files than the soak
MANY = range(150)


def files(kind: str) -> list[SampleFile]:
    return [sample_file(kind, SEED, number) for number in MANY]


@pytest.mark.parametrize("kind", KINDS)
def test_records_are_those_that_the_rules_say_however_the_file_is_cut(kind: str) -> None:
    assert [(file.number, found) for file in files(kind) for found in file_differences(file)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_lines_of_all_records_are_the_file_once_each_and_in_order(kind: str) -> None:
    for file in files(kind):
        reading = read(file.data, file.rules)
        lines = [line for record in reading.records for line in record.raw.split(b"\n")]

        expected = lines_of(file.data.removeprefix(b"\xef\xbb\xbf"))[reading.header_lines :]
        assert lines == expected, file.number
        assert reading.lines == reading.header_lines + sum(record.lines for record in reading.records)


@pytest.mark.parametrize("kind", [kind for kind, made in KINDS.items() if made.exact])
def test_the_reference_reads_what_was_written(kind: str) -> None:
    written = [file for file in files(kind) if file.rows is not None]
    for file in written:
        records = [record[1:4] for record in read(file.data, file.rules).records]
        assert records == [checked(text, label, file.rules) for text, label in file.rows or ()], file.number
    assert len(written) > 20


def test_the_reference_reads_as_the_csv_module_does() -> None:
    found = [library_difference(file.data, file.rules, read(file.data, file.rules)) for file in files("csv")]

    assert set(found) == {None}
    wrong = read(b"a,b\nc,d\n", Rules("csv", quoting=True, delimiter=","))
    assert library_difference(b"a,b\nc,x\n", Rules("csv", quoting=True, delimiter=","), wrong) is not None


RULES = [
    Rules("csv", quoting=True, delimiter=",", max_record_bytes=24),
    Rules("csv", quoting=True, delimiter=",", escape="\\"),
    Rules("csv", quoting=True, delimiter=",", escape="\\", max_record_bytes=24),
    Rules("tsv", quoting=True),
    Rules("csv", delimiter=";"),
    Rules("jsonl"),
    Rules("text", pattern=r"(?P<label>\w+):\S+ (?P<text>.*)"),
]
SHREDS = [
    b'"',
    b'""',
    b",",
    b"\t",
    b";",
    b"\n",
    b"\r\n",
    b"\r",
    b"\\",
    b'\\"',
    b"a",
    b"1",
    b" ",
    b"\xff",
    b"\xc3\xa9",
    b"\0",
]
PIECES = st.sampled_from([*SHREDS, b'{"text": "a", "label": ', b'{"label": 1, "text": "', b'"}', b"1.0}", b"a:b c"])


@FUZZ
@given(st.sampled_from(RULES), st.lists(PIECES, max_size=40).map(b"".join), st.sets(st.integers(1, 12)))
def test_any_bytes_give_the_records_that_the_rules_say(rules: Rules, data: bytes, cuts: set[int]) -> None:
    reading = read(data, rules)
    assert product_difference(data, rules, reading, sorted(cut for cut in cuts if cut < reading.lines)) is None


def test_a_difference_is_found() -> None:
    rules = Rules("csv", quoting=True, delimiter=",")
    data = b'"a\nb",1\nc,2\n'
    reading = read(data, rules)
    assert product_difference(data, rules, reading, [1]) is None

    for other in (b'"a\nb",2\nc,2\n', b'"a\nb",1\n', b'"a\nb,1\nc,2\n', b"a\nb,1\nc,2\n"):
        assert product_difference(data, rules, read(other, rules), [1]) is not None


def test_files_through_the_job_are_the_rows_of_the_reference(spark: SparkSession, tmp_path: Path) -> None:
    figures, differ = through_the_job(spark, tmp_path / "batch", SEED, batch=0, kinds=FEW)

    assert differ == []
    assert figures["files"] > 10


def test_a_row_that_is_lost_double_or_altered_is_found(tmp_path: Path) -> None:
    sources = placed_sources(tmp_path, SEED, batch=0)
    rows: list[Any] = list(wanted_rows(sources).items())
    assert compared(sources, rows, "")[1] == []

    key, values = rows[0]
    altered = (key, ("other", *values[1:]))
    for found in (rows[1:], [*rows, rows[0]], [altered, *rows[1:]]):
        assert len(compared(sources, found, "")[1]) == 1


def test_a_soak_that_is_stopped_and_taken_up_has_the_figures_of_one_that_is_not(tmp_path: Path) -> None:
    def batch(number: int) -> tuple[Counter[str], list[str]]:
        size = random.Random(number).randint(1, 9)
        return Counter({"records": size, f"of batch {number}": size}), [f"{number}"] if number == 3 else []

    def stopped(number: int) -> tuple[Counter[str], list[str]]:
        if number == 4:
            raise MemoryError  # nothing of this batch is kept
        if number == 2:
            signal.raise_signal(signal.SIGTERM)  # the soak ends after this batch
        return batch(number)

    whole = SoakState.take_up(tmp_path / "whole.json", seed=1)
    soak(whole, batch, figure="records", wanted=40)

    path = tmp_path / "parts.json"
    soak(SoakState.take_up(path, seed=1), stopped, figure="records", wanted=40)
    assert SoakState.take_up(path, seed=1).batches == 3
    with pytest.raises(MemoryError):
        soak(SoakState.take_up(path, seed=1), stopped, figure="records", wanted=40)
    assert SoakState.take_up(path, seed=1).batches == 4
    soak(SoakState.take_up(path, seed=1), batch, figure="records", wanted=40)

    assert json.loads(path.read_text()) == json.loads((tmp_path / "whole.json").read_text())
    assert sum(count for name, count in whole.figures.items() if name.startswith("of")) == whole.figures["records"]
    with pytest.raises(SystemExit, match="seed 1"):
        SoakState.take_up(path, seed=2)


def test_the_figures_of_a_batch_add_up() -> None:
    figures, differ = read_batch(SEED, batch=0)

    assert differ == []
    assert figures["csv: accepted"] + figures["csv: rejected"] == figures["records"]
    assert figures["csv: files"] == FILES


def test_keys_of_the_pipeline_file_say_the_rules() -> None:
    source = source_of(
        Rules("csv", ("label", "text"), encoding="cp1252", quoting=True, delimiter=";", escape="\\", labels=("0",))
    )

    assert (source.columns, source.encoding, source.separator) == (["label", "text"], "cp1252", ";")
    assert (source.quoted, source.escape, source.labels) == (True, "\\", ["0"])
    assert without_return(b"a\r\r") == b"a\r"
