"""Read the sources' raw files into ``corpus`` and ``corpus_rejects``."""

import sys
from collections.abc import Sequence
from dataclasses import asdict

from textclf.corpus.ingest import ingest_corpus
from textclf.job import Job, add_source, parser, run
from textclf.tables.schemas import CORPUS, CORPUS_REJECTS


def work(job: Job) -> None:
    """Ingest, and note the counts of each source in the run record."""
    sources = job.sources()
    job.record.input = ", ".join(source.path for source in sources)
    counts = ingest_corpus(job.spark, job.warehouse, job.record.run_id, sources)
    job.record.input_rows = sum(count.records for count in counts.values())
    job.record.rejected_rows = sum(count.rejected for count in counts.values())
    job.record.details = {
        "accepted_rows": sum(count.accepted for count in counts.values()),
        "sources": {name: asdict(count) for name, count in counts.items()},
    }
    job.record.tables = {spec.name: str(job.warehouse.location(spec.name)) for spec in (CORPUS, CORPUS_REJECTS)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; its exit code."""
    made = parser("ingest_corpus", __doc__)
    add_source(made)
    return run("ingest_corpus", made, work, argv)


if __name__ == "__main__":
    sys.exit(main())
