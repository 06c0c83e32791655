"""The sample corpus: three sources of labelled sentences and an unlabelled table, reproducible by their seed.

    python -m textclf.examples.sample_corpus --output DIR --rows 100000 --seed 1

Each labelled file holds 1,000 sentences, half of them positive and half negative. 8% carry the wrong label, a share
that is realistic for labels by people. There are also unusual records that readers stumble over, good and bad ones;
the counts of both are declared with each file.
"""

import argparse
import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textclf.common.atomic_files import made_aside
from textclf.corpus.lines.records import Reason
from textclf.examples.wording import FILMS, PRODUCTS, RESTAURANTS, sentence

SENTENCES = 1000  # accepted records in each labelled file
NOISE = 0.08  # share of them whose label is wrong
WORDINGS = {"restaurants": RESTAURANTS, "products": PRODUCTS, "films": FILMS}
FIRST_DAY = date(2026, 1, 5)
DAYS = 2  # days over which the unlabelled rows are spread
NULL_EVERY = 1000  # of this many unlabelled texts, one is null
_BATCH = 100_000  # rows in memory at once
_POOL = 3000  # different sentences of a source from which unlabelled texts are composed

_AWKWARD = (
    'The "best" in town, said the sign',  # balanced quotes
    'They call it a "classic, and it shows',  # a quote that never ends
    "Loved it 😀👍🏽",
    "One line\u0085or two, that depends on who reads it",
    "Ten\u00a0out\u00a0of\u00a0ten",
    "Crème brûlée, naïve façade, 12 € — ﬁne",
    "Ends with spaces   ",
    "a",
)

Labelled = tuple[str, str]  # text, label


@dataclass(frozen=True)
class SampleFile:
    """A labelled file and the counts of its records.

    Attributes:
        source: Name of the source.
        path: Path of the file.
        good: Number of records that ingest accepts.
        bad: Number of records that ingest rejects, by reason.
    """

    source: str
    path: Path
    good: int
    bad: Mapping[Reason, int]

    @property
    def records(self) -> int:
        """Number of all records of the file."""
        return self.good + sum(self.bad.values())


@dataclass(frozen=True)
class SampleTable:
    """The unlabelled table and the counts of its rows.

    Attributes:
        path: Folder of Parquet files with the columns id, source, text and ds.
        rows: Number of all rows.
        nulls: Number of rows whose text is null.
    """

    path: Path
    rows: int
    nulls: int


def labelled_sentences(source: str, seed: int) -> list[Labelled]:
    """Make ``SENTENCES`` sentences of a source with labels "0" and "1", in random order."""
    rng = Random(f"{seed} {source}")
    truth = [index % 2 == 0 for index in range(SENTENCES)]
    rng.shuffle(truth)
    wrong = set(rng.sample(range(SENTENCES), round(NOISE * SENTENCES)))
    texts = [sentence(WORDINGS[source], rng, positive=positive) for positive in truth]
    # These have no opinion to learn, but are too few to matter.
    for place, text in zip(rng.sample(range(SENTENCES), len(_AWKWARD)), _AWKWARD, strict=True):
        texts[place] = text
    return [(text, str(int(truth[index] != (index in wrong)))) for index, text in enumerate(texts)]


def write_labelled(folder: Path, seed: int = 1) -> list[SampleFile]:
    """Write one file per source into ``folder``, each in a different format."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _write(folder / "restaurants.tsv", "restaurants", seed, _tsv, _BAD_TSV),
        _write(folder / "products.csv", "products", seed, _csv, _BAD_CSV),
        _write(folder / "films.jsonl", "films", seed, _jsonl, _BAD_JSONL),
    ]


def _tsv(text: str, label: str, number: int) -> bytes:
    end = "\r" if number == 10 else ""  # one line with a Windows line end
    return f"{text}\t{label}{end}".encode()


def _csv(text: str, label: str, number: int) -> bytes:
    # Every ninth field holds characters that need quoting.
    inner = {0: "Two lines:\n{}", 9: "Tab\there: {}", 18: "Line\r\nbreak, and a comma: {}"}.get(number % 27, "{}")
    line = io.StringIO()
    # The writer quotes fields that hold characters of its line end, so it gets both; the line end is cut off again.
    csv.writer(line, lineterminator="\r\n").writerow([inner.format(text), label])
    return line.getvalue().removesuffix("\r\n").encode()


def _jsonl(text: str, label: str, number: int) -> bytes:
    # Labels are written as strings and as numbers, characters plain and as escapes.
    value = {"id": number, "text": text, "label": int(label) if number % 3 == 0 else label}
    return json.dumps(value, ensure_ascii=number % 2 == 0).encode()


_BAD_TSV = (
    (b"", Reason.BLANK_RECORD),
    (b"", Reason.BLANK_RECORD),
    (b"The label is not one of the set\t5", Reason.UNKNOWN_LABEL),
    (b"Caf\xe9 in latin-1 among UTF-8\t1", Reason.UNDECODABLE_BYTES),
    (b"No tab and so no label", Reason.MISSING_COLUMN),
    (b"A tab\tinside of the text\t0", Reason.EXTRA_COLUMN),
    (b"   \t1", Reason.EMPTY_TEXT),
)
_BAD_CSV = (
    (b"", Reason.BLANK_RECORD),
    (b'"Quoted, with a bad label",maybe', Reason.UNKNOWN_LABEL),
    (b'"Bytes that are not UTF-8: \xff\xfe",1', Reason.UNDECODABLE_BYTES),
    (b"One field only", Reason.MISSING_COLUMN),
    (b"Three,of,them", Reason.EXTRA_COLUMN),
)
_BAD_JSONL = (
    (b"", Reason.BLANK_RECORD),
    (b'{"text": "Cut off in the mid', Reason.INVALID_JSON),
    (b'["a list", "1"]', Reason.INVALID_JSON),
    (b'{"label": "1"}', Reason.MISSING_COLUMN),
    (b'{"text": "No label at all"}', Reason.MISSING_LABEL),
    (b'{"text": "A bad label", "label": "positive"}', Reason.UNKNOWN_LABEL),
    (b'{"text": "Not UTF-8: \xe4", "label": "0"}', Reason.UNDECODABLE_BYTES),
)


def _write(
    path: Path,
    source: str,
    seed: int,
    encode: Callable[[str, str, int], bytes],
    bad: Sequence[tuple[bytes, Reason]],
) -> SampleFile:
    records = [encode(text, label, number) for number, (text, label) in enumerate(labelled_sentences(source, seed))]
    # Bad records are among good ones, so that a reader that loses its place loses good ones, too.
    for place, (record, _reason) in enumerate(bad):
        records.insert((place + 1) * len(records) // (len(bad) + 2), record)
    path.write_bytes(b"\n".join(records))  # the last line has no line feed, as in many published files
    reasons = [reason for _record, reason in bad]
    return SampleFile(source, path, SENTENCES, {reason: reasons.count(reason) for reason in reasons})


def write_unlabelled(folder: Path, rows: int, seed: int = 1, names: Mapping[str, str] | None = None) -> SampleTable:
    """Write the unlabelled table, replacing the folder once all of it is written.

    Args:
        folder: Folder of the Parquet files.
        rows: Number of rows; the memory does not depend on it.
        seed: Seed of the rows. Tables of the same seed and different lengths begin with the same rows.
        names: Names that replace those of the sources in ``WORDINGS``.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    nulls = 0
    with made_aside(folder) as aside:
        aside.mkdir()
        aside.chmod(0o755)
        with pq.ParquetWriter(aside / "part-00000.parquet", _SCHEMA) as writer:
            for batch in _batches(rows, seed, names or {}):
                nulls += batch.column("text").null_count
                writer.write_batch(batch)
        shutil.rmtree(folder, ignore_errors=True)
    return SampleTable(folder, rows, nulls)


_SCHEMA = pa.schema([("id", pa.int64()), ("source", pa.string()), ("text", pa.string()), ("ds", pa.date32())])


def _batches(rows: int, seed: int, names: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    pool = pa.array([text for name in WORDINGS for text in _pool(name, seed)])
    sources = pa.array([names.get(name, name) for name in WORDINGS])
    days = pa.array([FIRST_DAY + timedelta(days=day) for day in range(DAYS)], pa.date32())
    for start in range(0, rows, _BATCH):
        # Each batch is generated whole by its own generator, so that rows do not depend on how many follow.
        rng = np.random.default_rng([seed, start])
        source = rng.integers(len(WORDINGS), size=_BATCH)
        first, second = (source * _POOL + rng.integers(_POOL, size=_BATCH) for _ in range(2))
        ids = np.arange(start, start + _BATCH)
        # Three texts in ten have two sentences.
        second_text = pc.if_else(pa.array(rng.random(_BATCH) < 0.3), pool.take(pa.array(second)), "")
        texts = pc.utf8_rtrim(pc.binary_join_element_wise(pool.take(pa.array(first)), second_text, " "), " ")
        texts = pc.if_else(pa.array(ids % NULL_EVERY == NULL_EVERY - 1), pa.scalar(None, pa.string()), texts)
        day = pa.array(rng.integers(DAYS, size=_BATCH))
        columns = [pa.array(ids), sources.take(pa.array(source)), texts, days.take(day)]
        yield pa.RecordBatch.from_arrays(columns, schema=_SCHEMA).slice(0, min(_BATCH, rows - start))


def _pool(source: str, seed: int) -> list[str]:
    rng = Random(f"{seed} {source} unlabelled")
    texts = [sentence(WORDINGS[source], rng, positive=rng.random() < 0.5) for _ in range(_POOL - len(_AWKWARD))]
    return [*texts, *_AWKWARD]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the whole sample, and its counts as JSON on standard output."""
    name = "python -m textclf.examples.sample_corpus"
    made = argparse.ArgumentParser(prog=name, description="Write the sample corpus.")
    made.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the files")
    made.add_argument("--rows", type=int, default=100_000, metavar="N", help="rows of the unlabelled table")
    made.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed gives the same files")
    args = made.parse_args(argv)
    files = write_labelled(args.output, args.seed)
    table = write_unlabelled(args.output / "unlabelled", args.rows, args.seed)
    declared = {file.source: {"path": str(file.path), "good": file.good, "bad": dict(file.bad)} for file in files}
    unlabelled = {"path": str(table.path), "rows": table.rows, "nulls": table.nulls}
    sys.stdout.write(json.dumps({"labelled": declared, "unlabelled": unlabelled}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
