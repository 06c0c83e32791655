"""A demo of the whole chain: ``python -m textclf.examples.demo``, or ``make demo``.

The job ``run`` ingests labelled sentences, builds a vocabulary, trains models, scores a table of 100,000 texts and
writes a report. Then SQL queries the results.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textclf.common.terminal import write_anything
from textclf.errors import InputError
from textclf.examples.sample_corpus import SampleFile, write_labelled, write_unlabelled
from textclf.examples.uci import complete, fetch

ROWS = 100_000
SINGLE_JOBS = ("ingest_corpus", "build_vocabulary", "train_model", "score_table", "report")
"""What ``run`` stands for, with the pipeline files of the demo."""
QUERY = """\
SELECT ds, source, scored, positive, mean_score, coalesce(rejected, 0) AS rejected
FROM (SELECT ds, source, count(*) AS scored,
             round(avg(CAST(label = '1' AS INT)), 3) AS positive, round(avg(score), 3) AS mean_score
      FROM {results} GROUP BY ds, source)
LEFT JOIN (SELECT ds, source, count(*) AS rejected
           FROM {rejects} GROUP BY ds, source) USING (ds, source)
ORDER BY ds, source"""
ELSEWHERE = r"""
The same table without Spark:
  .venv/bin/python -c "import deltalake; print(deltalake.DeltaTable('warehouse/results').to_pandas())"
and in DuckDB:
  .venv/bin/python -c "import deltalake, duckdb; t = deltalake.DeltaTable('warehouse/results').to_pyarrow_table(); \
print(duckdb.sql('SELECT source, label, count(*), avg(score) FROM t GROUP BY ALL ORDER BY ALL'))"
"""
# The texts to score are about the same subjects, but have the names of the UCI sources.
_UCI_NAMES = {"restaurants": "yelp", "products": "amazon", "films": "imdb"}


@dataclass(frozen=True)
class Material:
    """Data and pipeline file of the demo.

    Attributes:
        config: Path of the pipeline file.
        names: Names that replace those of the sample's sources in the table to score.
        environ: Environment variables that the pipeline file needs.
        files: Labelled files with their declared counts, if the demo has written them.
    """

    config: str
    names: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[SampleFile] = ()


def choose_material(root: Path, environ: Mapping[str, str]) -> Material:
    """Choose the UCI sentences if they are present or can be fetched, or else the sample corpus."""
    folders = [Path(environ["TEXTCLF_DATA"])] if environ.get("TEXTCLF_DATA") else []
    for folder in [*folders, root / "warehouse" / "data"]:
        if complete(folder / "uci"):
            _say(f"Data: the UCI sentences in {folder / 'uci'}")
            return Material("conf/uci.toml", _UCI_NAMES, {"TEXTCLF_DATA": str(folder.resolve())})
    fetched = root / "warehouse" / "data"
    try:
        fetch(fetched / "uci")
    except InputError as error:
        _say("Data: the sample corpus, whose generated sentences have the form of the UCI sentences.")
        _say(f"  Those are not on this machine and could not be fetched ({error.received}); to use them, {error.fix}.")
        return Material("conf/sample.toml", files=write_labelled(root / "warehouse" / "sample"))
    _say(f"Data: the UCI sentences, fetched into {fetched / 'uci'}")
    return Material("conf/uci.toml", _UCI_NAMES, {"TEXTCLF_DATA": str(fetched)})


def run_job(root: Path, environ: Mapping[str, str], job: str, *flags: str) -> dict[str, Any]:
    """Show a job's command line and run it through the wrapper. Returns its run record.

    Raises:
        SystemExit: The job failed; the code is the job's exit code.
    """
    command = ["./spark-submit.sh", job, *flags]
    _say(f"\n$ {shlex.join(command)}")
    done = subprocess.run(command, cwd=root, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        _say(f"{done.stdout}The job {job} failed with exit code {done.returncode}; the demo stops here.")
        raise SystemExit(done.returncode)
    record: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    counts = {name: record[name] for name in ("input_rows", "scored_rows", "rejected_rows") if name in record}
    shown = [f"{name.replace('_', ' ')}: {count:,}" for name, count in counts.items()]
    _say(", ".join([*shown, f"done in {record['seconds']} s"]))
    return record


def say_what_it_stands_for(config: str) -> None:
    """Show the single jobs whose work ``run`` does."""
    flags = {"train_model": " --promote"}
    lines = [f"  ./spark-submit.sh {job} --config {config}{flags.get(job, '')}" for job in SINGLE_JOBS]
    _say("\n".join(["", "One command does, in one session, what these do, as far as it is missing or stale:", *lines]))


def check_ingest(details: Mapping[str, Any], files: Sequence[SampleFile]) -> None:
    """Compare ingest's counts with those that the sample's files declare.

    Raises:
        SystemExit: The counts differ; the code is 1.
    """
    for file in files:
        counted = details["sources"].get(file.source)
        if counted is None:  # ingested by an earlier demo
            continue
        bad = {reason.value: number for reason, number in file.bad.items()}
        if (counted["accepted"], counted["reasons"]) != (file.good, bad):
            _say(f"{file.path} holds {file.good} good records and {bad}; ingest counted {counted}")
            raise SystemExit(1)
        _say(f"  {file.source}: {file.good} accepted, {sum(bad.values())} rejected, as expected of the file")


def show_steps(spark: Any, root: Path, run_ids: Sequence[str], files: Sequence[SampleFile]) -> None:
    """Say what the steps have done, from their records in the table ``runs``."""
    runs = spark.read.format("delta").load(str(root / "warehouse/runs"))
    rows = runs.where(runs.run_id.isin(list(run_ids))).orderBy("started_at").select("job", "details").collect()
    for job, details in ((row["job"], json.loads(row["details"])) for row in rows):
        if job == "ingest_corpus":
            check_ingest(details, files)
        trained = [(name, each) for name, each in details.items() if job == "train_model" and isinstance(each, dict)]
        for source, figures in trained:
            if "accuracy" in figures:
                _say(f"  {source}: {figures['architecture']}, test accuracy {figures['accuracy']:.4f}")


def show_results(spark: Any, root: Path) -> None:
    """Query the results table and print the answer."""
    places = {"results": root / "warehouse/results", "rejects": root / "warehouse/results_rejects"}
    _say("\n" + QUERY.format(**{name: f"delta.`{place}`" for name, place in places.items()}) + "\n")
    tables: dict[str, Any] = {name: spark.read.format("delta").load(str(place)) for name, place in places.items()}
    sys.stdout.write(spark.sql(QUERY, **tables).toPandas().to_string(index=False) + "\n\n")
    _say(ELSEWHERE.strip())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()  # keeps the order with the output of the jobs


def main() -> int:
    """Run the demo. Returns the exit code: 0, or that of the step that failed."""
    write_anything()
    root = Path(__file__).resolve().parents[2]
    material = choose_material(root, os.environ)
    table = write_unlabelled(root / "warehouse" / "sample" / "unlabelled", ROWS, names=material.names)
    _say(f"To score: {table.rows:,} texts in {table.path}, {table.nulls} of them null")
    environ = {**os.environ, **material.environ, "TEXTCLF_PYTHON": sys.executable}
    say_what_it_stands_for(material.config)
    record = run_job(root, environ, "run", "--config", material.config)
    _show(root, record, material.files)
    return 0


def _show(root: Path, record: Mapping[str, Any], files: Sequence[SampleFile]) -> None:
    from textclf.spark import open_session

    spark = open_session("textclf demo")
    show_steps(spark, root, [run_id for step in record["details"]["steps"] for run_id in step.get("runs", ())], files)
    for page in record["details"].get("reports", ()):
        _say(f"  report: {page}")
    show_results(spark, root)
    spark.stop()


if __name__ == "__main__":
    sys.exit(main())
