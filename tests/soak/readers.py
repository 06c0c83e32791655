"""Compare the product's readers with independent reference readers on hostile and mutated files.

    python -m tests.soak.readers [--records 1000000] [--files 2000] [--seed 1] [--minutes M] [--folder build/soak]
    python -m tests.soak.readers --show "csv escape" 4711

Records are read by the Python reader, in whole files and in blocks; files are ingested by the job's ``ingest_corpus``.
The figures are saved in the folder after each batch, and the same command resumes a campaign that was stopped. The
number of inputs for each reader and the differences are printed; the exit code is 1 if there are any differences.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.soak.library_readers import library_difference
from tests.soak.reference_reader import Reading, Rules, checked, may_be_refused, read
from tests.soak.sample_files import KINDS, SampleFile, sample_file
from tests.soak.soak_state import FOLDER, SoakState, soak
from tests.soak.source_keys import source_keys
from textclf.config import Source
from textclf.corpus.local.reader import read_records
from textclf.errors import InputError

FILES = 200  # in a batch
_CUTS = 3  # ways to cut a file into blocks


def source_of(rules: Rules) -> Source:
    """Return a source that is configured with these rules."""
    return Source.model_validate({"name": "s", "path": "p"} | source_keys(rules))


def file_differences(file: SampleFile) -> list[str]:
    """Return how the product's reader and the references differ on a file, read whole or cut in ``_CUTS`` ways."""
    reading = read(file.data, file.rules)
    differ = []
    if file.rows is not None:
        written = [checked(text, label, file.rules) for text, label in file.rows]
        if written != [record[1:4] for record in reading.records]:
            differ.append("the reference does not read what was written")
    if (other := library_difference(file.data, file.rules, reading)) is not None:
        differ.append(other)
    rng = random.Random(f"cuts/{file.kind}/{file.number}")
    for at in range(_CUTS):
        count = rng.choice((1, 2, 5, reading.lines)) if at else 0
        cuts = sorted(rng.sample(range(1, reading.lines), min(count, reading.lines - 1))) if reading.lines > 1 else []
        found = product_difference(file.data, file.rules, reading, cuts)
        if found is not None:
            return [*differ, f"cut at lines {cuts}: {found}"]
    return differ


def product_difference(data: bytes, rules: Rules, reading: Reading, cuts: list[int]) -> str | None:
    """Return the first difference between the product's reading of a file and the reference's."""
    try:
        found = list(read_records(source_of(rules), data, cuts))
    except InputError as error:
        return None if may_be_refused(data) else f"refused: {error}"
    line = reading.header_lines
    for record, wanted in zip(found, reading.records, strict=False):
        got = (record.position, *record.parsed, record.lines)
        if got != wanted[:5] or record.line != line:
            return f"expected {wanted[:5]} at line {line}, got {got} at line {record.line}"
        line += record.lines
    if len(found) != len(reading.records):
        return f"expected {len(reading.records)} records, got {len(found)}"
    return None if line == reading.lines else f"{reading.lines} lines, of which {line} are in records"


def read_batch(seed: int, batch: int) -> tuple[Counter[str], list[str]]:
    """Read the files of a batch with the Python reader, each whole and in blocks."""
    kinds = list(KINDS)
    kind, first = kinds[batch % len(kinds)], batch // len(kinds) * FILES
    figures: Counter[str] = Counter()
    differ = []
    for number in range(first, first + FILES):
        file = sample_file(kind, seed, number)
        reading = read(file.data, file.rules)
        refused = sum(record.reason is not None for record in reading.records)
        figures += Counter(
            {
                "records": len(reading.records),
                f"{kind}: files": 1,
                f"{kind}: accepted": len(reading.records) - refused,
                f"{kind}: rejected": refused,
                f"{kind}: lines": reading.lines,
                f"{kind}: files that may be refused": int(may_be_refused(file.data)),
            }
        )
        differ += [f"{kind!r} {number} of seed {seed}: {found}" for found in file_differences(file)]
    return figures, differ


def show(kind: str, seed: int, number: int) -> None:
    """Print a file, how it is read, and what differs."""
    file = sample_file(kind, seed, number)
    parts = [str(file.rules), repr(file.data), *map(str, read(file.data, file.rules).records), *file_differences(file)]
    sys.stdout.write("\n".join(parts) + "\n")


def main() -> int:
    """Compare records and files, or show one file."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--records", type=int, default=1_000_000, help="through the Python reader")
    made.add_argument("--files", type=int, default=2_000, help="through the job")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--folder", type=Path, default=FOLDER)
    made.add_argument("--minutes", type=float, default=float("inf"), help="begin no batch after so long")
    made.add_argument("--show", nargs=2, metavar=("KIND", "NUMBER"))
    args = made.parse_args()
    if args.show:
        show(args.show[0], args.seed, int(args.show[1]))
        return 0
    records = SoakState.take_up(args.folder / "records.json", args.seed)
    soak(
        records, lambda batch: read_batch(args.seed, batch), figure="records", wanted=args.records, minutes=args.minutes
    )
    files = SoakState.take_up(args.folder / "files.json", args.seed)
    if files.figures["files"] < args.files:
        _soak_files(files, args.files, args.minutes)
    return records.say() | files.say()


def _soak_files(state: SoakState, wanted: int, minutes: float) -> None:
    from tests.soak.job_files import through_the_job  # imports Spark only when it is needed
    from tests.soak.session import soak_session

    with tempfile.TemporaryDirectory() as scratch, soak_session(Path(scratch)) as spark:

        def batch(number: int) -> tuple[Counter[str], list[str]]:
            return through_the_job(spark, Path(scratch, "batch"), state.seed, number)

        soak(state, batch, figure="files", wanted=wanted, minutes=minutes)


if __name__ == "__main__":
    sys.exit(main())
