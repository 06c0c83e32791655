"""Columns of any bytes and size are read without Spark, only as far as needed, with the same rejects as ingest."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textclf.cli.init import look_at
from textclf.cli.sniff.tables import _sample, look_at_input
from textclf.config import Source
from textclf.corpus.local.preview import preview_columns
from textclf.corpus.local.tables import batches, parquet_rows
from textclf.storage.files.listing import list_local


def any_strings(values: list[bytes | None], kind: pa.DataType, *, dictionary: bool = False) -> pa.Array:
    """Return a string column that holds these bytes, valid UTF-8 or not."""
    column = pa.array(values, pa.binary()).view(pa.string()).cast(kind)
    return column.dictionary_encode() if dictionary else column


def rows(path: Path) -> object:
    return parquet_rows([str(path)], list_local(str(path)))


KINDS = [(pa.string(), False), (pa.string(), True), (pa.large_string(), False), (pa.string_view(), False)]


@pytest.mark.parametrize(("kind", "dictionary"), KINDS)
def test_strings_that_are_no_utf8_are_rejects(tmp_path: Path, kind: pa.DataType, dictionary: bool) -> None:
    texts = any_strings([b"caf\xe9", b"good", b"bad", None, b"\xff"], kind, dictionary=dictionary)
    labels = any_strings([b"1", b"1", b"\xff0", b"0", None], kind, dictionary=dictionary)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": texts, "label": labels}), path)
    found = preview_columns(Source(name="s", path="p", format="parquet"), rows(path))
    assert found.labels == Counter({"1": 1})
    assert found.rejects == Counter(undecodable_bytes=3, empty_text=1)


@pytest.mark.parametrize(("kind", "dictionary"), KINDS)
def test_init_looks_at_strings_that_are_no_utf8(tmp_path: Path, kind: pa.DataType, dictionary: bool) -> None:
    texts = any_strings([b"good caf\xe9 here", *(b"a good place %d" % at for at in range(19))], kind,
                        dictionary=dictionary)  # fmt: skip
    labels = any_strings([b"1", b"0"] * 10, kind, dictionary=dictionary)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [f"{at:04}" for at in range(20)], "text": texts, "label": labels}), path)
    ((named,), _) = look_at([str(path)])
    assert (len(named.look.texts), named.look.rejects) == (19, Counter(undecodable_bytes=1))
    assert look_at_input(path, []).text == "text"


def test_a_wide_table_is_looked_at_no_further_than_lines_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, count, size = 2 << 20, 1600, 10_000
    monkeypatch.setattr("textclf.cli.sniff.tables.LOOKED_AT", limit)
    columns = {
        name: [name * (size // len(name)) + f" {at}" for at in range(count)] for name in ("text", "a b ", "c d ")
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns | {"label": [str(at % 2) for at in range(count)]}), path, row_group_size=50)
    assert [len(column.values) * size * 3 < 3 * limit for column, _ in _sample(path, "parquet")] == [True] * 4
    ((named,), _) = look_at([str(path)], {"text": "text"})
    assert (named.look.whole, len(named.look.texts) * size < 2 * limit) == (False, True)


def test_batches_come_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x" * 100_000] * 2000}), path, row_group_size=100, use_dictionary=False)
    given = batches(rows(path), ["text"])
    next(given)
    before = pa.total_allocated_bytes()
    for _ in range(3):
        next(given)
    assert pa.total_allocated_bytes() - before < 100_000_000


def test_a_whole_table_is_said_to_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"a good text {at}" for at in range(1000)], "label": ["1", "0"] * 500}), path)
    ((named,), _) = look_at([str(path)])
    assert (named.look.whole, named.look.label_set, len(named.look.texts)) == (True, ["0", "1"], 1000)
