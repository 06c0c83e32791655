"""Whole files of line formats are read through Spark as by ``read_records``, or refused by name."""

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from textclf.config import Ingest, Pipeline, Source
from textclf.corpus.first_look import look_at
from textclf.corpus.ingest import ingest_corpus
from textclf.corpus.lines.first_counts import count_query
from textclf.corpus.local.reader import read_records
from textclf.errors import InputError
from textclf.runs.workspace import Workspace
from textclf.storage import Warehouse

MakePipeline = Callable[[str], Pipeline]
CSV = 'format = "csv"\ncolumns = ["text", "label"]'
TSV = 'format = "tsv"\ncolumns = ["text", "label"]'
MARK = b"\xef\xbb\xbf"


def sections(kinds: dict[str, tuple[Path, str]]) -> str:
    return "".join(f'[[sources]]\nname = "{name}"\npath = "{path}"\n{keys}\n' for name, (path, keys) in kinds.items())


def written(folder: Path, files: dict[str, tuple[bytes, str]]) -> str:
    """Write one file for each source and return the sections of the pipeline file."""
    for name, (content, _) in files.items():
        (folder / f"{name}.data").write_bytes(content)
    return sections({name: (folder / f"{name}.data", keys) for name, (_, keys) in files.items()})


def tables(spark: SparkSession, pipeline: Pipeline) -> dict[tuple[str, str], list[tuple[Any, ...]]]:
    """Return position, text, label, reason and lines of all records, by source and file."""
    warehouse = Warehouse.of(pipeline)
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for row in warehouse.location("corpus").read(spark).collect():
        found.setdefault((row.source, row.file), []).append((row.position, row.text, row.label, None, None))
    for row in warehouse.location("corpus_rejects").read(spark).collect():
        found.setdefault((row.source, row.file), []).append((row.position, None, None, row.reason, row.lines))
    return {key: sorted(rows) for key, rows in found.items()}


def expected(source: Source, data: bytes) -> list[tuple[Any, ...]]:
    return [
        (record.position, *record.parsed, None if record.parsed.reason is None else record.lines)
        for record in read_records(source, data)
    ]


@pytest.fixture
def small_blocks(spark: SparkSession) -> Iterator[None]:
    """Cut files into blocks of 500 bytes."""
    spark.conf.set("spark.sql.files.maxPartitionBytes", "500")
    spark.conf.set("spark.sql.files.openCostInBytes", "100")
    yield
    spark.conf.unset("spark.sql.files.maxPartitionBytes")
    spark.conf.unset("spark.sql.files.openCostInBytes")


@pytest.mark.usefixtures("small_blocks")
def test_files_in_blocks_are_read_as_in_one_piece(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    rng = random.Random(11)
    pieces = ["word,1\n", '"a ""quoted"" one",0\n', '"two\nlines",1\n', "\n", "x" * 70, "plain " * 9 + ",1\n"]
    odd = [
        '"',
        ",",
        "\n",
        "\r\n",
        '"open,1\n',
        '\\"',
        "\0",
        "\r",
        'a"b,1\n',
        "x" * 200 + "\n",
        '"' + "line\n" * 60 + '",1\n',
    ]
    keys = {
        "strict": CSV + "\nmax_record_bytes = 150",
        "wide": CSV,
        "escaped": CSV + "\nescape = '\\'\nmax_record_bytes = 400",
        "headed": 'format = "csv"\nheader = true',
        "tabs": TSV + "\ndelimiter = ','",
        "latin": TSV + "\ndelimiter = ','\nencoding = 'latin-1'",
    }
    contents: dict[tuple[str, str], bytes] = {}
    for name in keys:
        (tmp_path / name).mkdir()
        for number in range(3):
            body = "".join(rng.choice(odd if rng.random() < 0.3 * number else pieces) for _ in range(30))
            content = MARK * (number % 2) + (("text,label\n" if name == "headed" else "first,1\n") + body).encode()
            contents[name, f"{number}.data"] = content
            (tmp_path / name / f"{number}.data").write_bytes(content)
    pipeline = make_pipeline(sections({name: (tmp_path / name, rest) for name, rest in keys.items()}))

    counts = ingest_corpus(Workspace(spark, pipeline), "run", pipeline.sources, rule=Ingest(max_rejects=1))

    found, sources = tables(spark, pipeline), {source.name: source for source in pipeline.sources}
    for (name, file), content in contents.items():
        assert found[name, file] == expected(sources[name], content), (name, file)
    for name, count in counts.items():
        records = [
            record
            for (each, _), data in contents.items()
            if each == name
            for record in read_records(sources[name], data)
        ]
        headers = 3 if name == "headed" else 0
        assert count.lines == headers + sum(record.lines for record in records)
        assert count.header_lines == headers
        assert count.reject_lines == sum(record.lines for record in records if record.parsed.reason is not None)


def test_a_byte_order_mark_is_no_part_of_the_first_record(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    files = {
        "tsv": (MARK + b"one\t1\ntwo\t0\n", TSV + "\nlabels = ['0', '1']"),
        "label_first": (MARK + b"1\tone\n", 'format = "tsv"\ncolumns = ["label", "text"]\nlabels = ["1"]'),
        "quoted": (MARK + b'"one",1\n"two",0\n', CSV),
        "header": (MARK + b"text,label\none,1\n", 'format = "csv"\nheader = true'),
        "quoted_header": (MARK + b'"text","label"\none,1\n', 'format = "csv"\nheader = true'),
        "plain_header": (MARK + b"text\tlabel\none\t1\n", 'format = "tsv"\nheader = true'),
        "jsonl": (MARK + b'{"text": "one", "label": 1.0}\n', 'format = "jsonl"'),
        "text": (MARK + b"1 one\n", "format = 'text'\npattern = '(?P<label>[0-9]) (?P<text>.*)'"),
        "latin": (MARK + b"one\t1\n", TSV + '\nencoding = "latin-1"'),
    }
    pipeline = make_pipeline(written(tmp_path, files))

    counts = ingest_corpus(Workspace(spark, pipeline), "run", pipeline.sources)

    assert {name: count.rejected for name, count in counts.items()} == dict.fromkeys(files, 0)
    corpus = Warehouse.of(pipeline).location("corpus").read(spark).where("position = 0")
    assert {row.source: (row.text, row.label) for row in corpus.collect()} == dict.fromkeys(files, ("one", "1"))


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("d.csv", "text,label\nwarm,pos\n" * 50)
    return content.getvalue()


def tape() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        file.addfile(tarfile.TarInfo("d.csv"))
    return content.getvalue()


LINES = "warm coffee\t1\ncold tea\t0\n" * 9
WIDE = "\u6771\u4eac\u90fd\t1\n\u4eac\u90fd\t0\n" * 9
REFUSED = {
    "utf16": (LINES.encode("utf-16"), TSV, "UTF-16"),
    "utf16be_csv": (b"\xfe\xff" + LINES.encode("utf-16-be"), CSV, "UTF-16"),
    "utf16le_bare": (LINES.encode("utf-16-le"), TSV, "UTF-16LE without"),
    "utf16be_bare": (LINES.encode("utf-16-be"), TSV, "UTF-16BE without"),
    "utf16_wide": (WIDE.encode("utf-16-le"), TSV, "UTF-16LE without"),
    "utf16be_wide": (WIDE.encode("utf-16-be"), TSV, "UTF-16BE without"),
    "utf16_latin": (LINES.encode("utf-16-le"), TSV + "\nencoding = 'latin-1'", "UTF-16LE without"),
    "utf16_csv": (LINES.replace("\t", ",").encode("utf-16-le"), CSV, "UTF-16LE without"),
    "utf16_header": (b"t\0e\0x\0t\0\t\0l\0\r\0\n\0", 'format = "tsv"\nheader = true', "UTF-16LE without"),
    "utf16_json": ('{"text": "a", "label": 1}\n'.encode("utf-16-le"), 'format = "jsonl"', "UTF-16LE without"),
    "utf32": (LINES.encode("utf-32"), TSV, "UTF-32"),
    "utf32_bare": (LINES.encode("utf-32-be"), TSV, "UTF-32BE"),
    "returns": (b"one\t1\rtwo\t0\r", TSV, "carriage returns"),
    "returns_good": (b"1\tone\rtwo", 'format = "tsv"\ncolumns = ["label", "text"]', "carriage returns"),
    "returns_csv": (b'"one",1\r"two",0\r', CSV, "carriage returns"),
    "returns_header": (b"text,label\rone,1\r", 'format = "csv"\nheader = true', "carriage returns"),
    "returns_tsv_header": (b"text\tlabel\rone\t1\r", 'format = "tsv"\nheader = true', "carriage returns"),
    "returns_json": (b'{"text": "a", "label": 1}\r{"text": "b", "label": 1}\r', 'format = "jsonl"', "carriage returns"),
    "returns_text": (b"1 a\r0 b\r", "format = 'text'\npattern = '(?P<label>.) (?P<text>.*)'", "carriage returns"),
    "zip": (archive(), 'format = "csv"\nheader = true', "a zip archive"),
    "zip_latin": (archive(), TSV + "\nencoding = 'latin-1'", "a zip archive"),
    "tar": (tape(), CSV, "a tar archive"),
    "xz": (lzma.compress(LINES.encode()), TSV, "xz"),
    "gzip": (gzip.compress(LINES.encode()), TSV, "gzip"),
    "bzip2": (bz2.compress(LINES.encode()), CSV, "bzip2"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00rest", TSV, "zstd"),
    "seven": (b"7z\xbc\xaf\x27\x1c\0\4", TSV, "7z"),
    "rar": (b"Rar!\x1a\x07\1\0", 'format = "jsonl"', "rar"),
    "parquet": (b"PAR1\x15\x04\x15\x30\n", CSV, "Parquet"),
    "orc": (b"ORC\n\x06\x12\x04", TSV, "ORC"),
    "avro": (b"Obj\x01\x04\x16avro.schema", TSV, "Avro"),
    "array": (b'[{"text": "a", "label": 1},\n{"text": "b", "label": 0}]\n', 'format = "jsonl"', "JSON array"),
    "array_line": (b'  [{"text": "a", "label": 1}]', 'format = "jsonl"', "JSON array"),
    "array_open": (b'[\n{"text": "a", "label": 1}\n]', 'format = "jsonl"', "JSON array"),
    "twice": (b"text,label,text\na,1,b\n", 'format = "csv"\nheader = true', "names a column twice"),
    "twice_other": (b"text\tlabel\tn\tn\na\t1\t2\t3\n", 'format = "tsv"\nheader = true', "names a column twice"),
    "open_header": (b'text,label,"no\ntes"\na,1,b\n', 'format = "csv"\nheader = true', "on one line"),
    "odd_header": (b'text,label,a"b\na,1,b\n', 'format = "csv"\nheader = true', "well-formed"),
    "return_header": (b"text,la\rbel\na,1\nb,1\n", 'format = "csv"\nheader = true', "well-formed"),
}


def test_files_of_other_kinds_are_refused_by_name(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    """Each source is refused by name, some by the first look and others by the workers."""
    pipeline = make_pipeline(written(tmp_path, {name: kind[:2] for name, kind in REFUSED.items()}))
    messages = dict.fromkeys(REFUSED, "")
    left = list(pipeline.sources)
    while left:
        with pytest.raises(InputError) as caught:
            ingest_corpus(Workspace(spark, pipeline), "run", left)
        assert caught.value.exit_code == 3
        for part in (" " + str(caught.value)).split(" source "):
            messages |= {name: messages[name] + part for name in REFUSED if part.startswith(f"{name} ")}
        for part in str(caught.value).split("Source "):
            messages |= {name: messages[name] + part for name in REFUSED if part.startswith(f"{name} ")}
        before, left = left, [source for source in left if not messages[source.name]]
        assert len(left) < len(before), caught.value

    for name, (_, _, words) in REFUSED.items():
        assert words in messages[name], name
    assert not Warehouse.of(pipeline).location("corpus").exists(spark)


@pytest.mark.parametrize("name", ["zip", "xz", "gzip", "bzip2", "zstd", "seven", "rar", "parquet", "orc", "avro"])
def test_a_packed_file_is_called_so_whatever_its_bytes_are(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, name: str
) -> None:
    """Packed bytes may hold carriage returns without line feeds, like text whose lines end in carriage returns."""
    content, _, words = REFUSED[name]
    files = {
        f"packed_{at}": (content.replace(b"\n", b"\0") + b"\r\1\r\2", keys)
        for at, keys in enumerate([TSV, CSV, 'format = "jsonl"'])
    }
    for source in make_pipeline(written(tmp_path, files)).sources:
        with pytest.raises(InputError, match=rf"it is .*{words}"):
            look_at(spark, source)


@pytest.mark.parametrize("kind", [TSV, 'format = "tsv"\nheader = true', 'format = "jsonl"'])
def test_the_first_look_counts_without_sorting_the_rows(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path, kind: str
) -> None:
    content = b'{"text": "a", "label": "1"}\n' if "jsonl" in kind else b"text\tlabel\none\t1\n"
    (source,) = make_pipeline(written(tmp_path, {"plain": (content, kind)})).sources
    counted: Any = count_query(source, look_at(spark, source).rows)
    plan = counted._jdf.queryExecution().executedPlan().toString()
    assert "HashAggregate" in plan
    assert "Sort" not in plan


def test_files_that_only_look_odd_are_read(spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path) -> None:
    files = {
        "one_line": (b"one\t1\r\n", TSV),
        "no_end": (b"one\t1", TSV),
        "return_alone": (b"one\t1\r", TSV),
        "quoted_return": (b'"one\rtwo",1', CSV),
        "inner_return": (b"1\tone\rtwo\n1\tx\n", 'format = "tsv"\ncolumns = ["label", "text"]'),
        "nul": (b"a\0b\t1\nc\t1\n", TSV),
        "nuls": (b"a\0bc\0d\t1\nc\t1\n", TSV),
        "pk": (b"PK is a name\t1\n", TSV),
        "orc": (b"ORC armies\t1\n", TSV),
        "array": (b'["x"]\n{"text": "a", "label": 1}\n', 'format = "jsonl"'),
        "nameless": (b"text,label,,\na,1,,\n", 'format = "csv"\nheader = true'),
        "returns": (b"one\t1\r\ntwo\t0\r\n", TSV),
    }
    pipeline = make_pipeline(written(tmp_path, files))

    counts = ingest_corpus(Workspace(spark, pipeline), "run", pipeline.sources)

    rejected = {name: count.reasons for name, count in counts.items() if count.rejected}
    assert rejected == {"nul": {"nul_character": 1}, "nuls": {"nul_character": 1}, "array": {"invalid_json": 1}}
    found, sources = tables(spark, pipeline), {source.name: source for source in pipeline.sources}
    for name, (content, _) in files.items():
        assert found[name, f"{name}.data"] == expected(sources[name], content)


def test_what_spark_writes_as_csv_is_read_back(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    rng = random.Random(5)
    signs = ['"', "\\", ",", "\n", "a", "b ", "\\\\", '\\"', "\r\n", "\t", "é", "'"]
    texts = ["x" + "".join(rng.choices(signs, k=rng.randint(0, 8))) + "x" for _ in range(300)]
    texts += ["".join(rng.choices(signs, k=rng.randint(1, 8))) + "." for _ in range(200)] + ["\\", "\\\\", '"', "a\\"]
    frame = spark.createDataFrame(
        [(text, str(number)) for number, text in enumerate(texts)], "text string, label string"
    )
    # Spark's writer would trim blanks around values.
    written_as: dict[str, dict[str, Any]] = {
        "spark": {},
        "all": {"quoteAll": True},
        "rfc": {"escape": '"', "header": True},
    }
    for name, options in written_as.items():
        writer = frame.coalesce(1).write.option("ignoreLeadingWhiteSpace", False)
        writer.option("ignoreTrailingWhiteSpace", False).options(**options).csv(str(tmp_path / name))
    escape = CSV + "\nescape = '\\'"
    kinds = {"spark": escape, "all": escape, "rfc": 'format = "csv"\nheader = true'}
    pipeline = make_pipeline(sections({name: (tmp_path / name, keys) for name, keys in kinds.items()}))

    counts = ingest_corpus(Workspace(spark, pipeline), "run", pipeline.sources)

    corpus = Warehouse.of(pipeline).location("corpus").read(spark).collect()
    for name in kinds:
        found = {int(row.label): row.text for row in corpus if row.source == name}
        assert found == dict(enumerate(texts)), (name, counts[name])


def test_a_table_of_rejects_of_an_older_release_gets_the_lines(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    pipeline = make_pipeline(written(tmp_path, {"new": (b"good,1\nbad\n", CSV), "good": (b"good,1\n", CSV)}))
    rejects = Warehouse.of(pipeline).location("corpus_rejects")
    old = "source string, file string, position long, reason string, raw string"
    row = ("old", "f", 0, "blank_record", "")
    spark.createDataFrame([row], old).write.format("delta").partitionBy("source").save(rejects.path)

    ingest_corpus(Workspace(spark, pipeline), "run", [pipeline.sources[1]])
    assert [tuple(each) for each in rejects.read(spark).collect()] == [(*row, None)]

    ingest_corpus(Workspace(spark, pipeline), "run", pipeline.sources)
    found = {(each.source, each.lines) for each in rejects.read(spark).collect()}
    assert found == {("old", None), ("new", 1)}


def test_labels_of_json_numbers_are_those_of_integers(
    spark: SparkSession, make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    given = [1, 1.0, "1.0", " 1 ", True, 1e20, 2.5]
    lines = "\n".join(json.dumps({"text": "t", "label": label}) for label in given).encode()
    pipeline = make_pipeline(written(tmp_path, {"j": (lines, 'format = "jsonl"')}))

    counts = ingest_corpus(Workspace(spark, pipeline), "run", pipeline.sources)

    labels = Warehouse.of(pipeline).location("corpus").read(spark).orderBy("position").collect()
    assert [row.label for row in labels] == ["1", "1", "1.0", "1", "true", "100000000000000000000"]
    assert counts["j"].reasons == {"fractional_label": 1}
    (reject,) = Warehouse.of(pipeline).location("corpus_rejects").read(spark).collect()
    assert "2.5" in reject.raw
