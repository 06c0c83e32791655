"""Record the classes that the jobs load: ``python -m tests.class_list`` writes ``textclf/spark/launch/classes.txt.gz``.

To be repeated when Spark, Delta or Java are upgraded. The jobs of a chain over the sample corpus run one after another,
each in a JVM of its own that lists its classes (``-XX:DumpLoadedClassList``); the list has each class once, in the
order of their first use.
"""

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.factories.corpora import sample_sources
from tests.processes import ROOT
from textclf.examples.sample_corpus import FIRST_DAY, write_labelled, write_unlabelled
from textclf.spark.launch.class_archive import ENVIRONMENT, FOLDER
from textclf.spark.launch.class_dump import LIST

ROWS = 20_000  # of the table to score: more rows load no other classes
DAY = FIRST_DAY.isoformat()
JOBS = (
    ("ingest_corpus",),
    ("build_vocabulary",),
    ("train_model", "--promote"),
    ("search_models",),
    ("score_table",),
    ("score_table", "--date", DAY),  # of a day that is published already
    ("report",),
    ("run",),
    ("nightly", "--date", DAY),
)
_PIPELINE = """\
warehouse = "{root}/warehouse"
{sources}[search]
architecture = "logistic_regression"
folds = 2
candidates = 2
[score]
input = "{root}/unlabelled"
source = "source"
date = "ds"
"""


def main() -> int:
    """Run the jobs and write the list. Returns the exit code: 0, or that of the first job that failed."""
    with tempfile.TemporaryDirectory(prefix="textclf-classes-") as folder:
        root = Path(folder)
        write_labelled(root / "labelled")
        write_unlabelled(root / "unlabelled", ROWS)
        config = root / "pipeline.toml"
        config.write_text(_PIPELINE.format(root=root, sources=sample_sources(root / "labelled")), encoding="utf-8")
        lists = []
        for number, (job, *flags) in enumerate(JOBS):
            lists.append(root / f"{number}.lst")
            code = _run(lists[-1], job, "--config", str(config), *flags)
            if code:
                return code
        names = list(dict.fromkeys(line for each in lists for line in _lines(each)))
    # Without the time of writing, so that the same classes are the same file.
    LIST.write_bytes(gzip.compress("".join(f"{name}\n" for name in names).encode(), 9, mtime=0))
    sys.stderr.write(f"{len(names)} lines in {LIST}\n")
    return 0


def _run(listed: Path, *words: str) -> int:
    environ = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    environ |= {FOLDER: "off", "TEXTCLF_PYTHON": sys.executable}
    options = ["--master", "local[2]", "--driver-java-options", f"-XX:DumpLoadedClassList={listed}"]
    sys.stderr.write(f"{' '.join(words)}\n")
    command = [str(ROOT / "spark-submit.sh"), *options, *words]
    return subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=False).returncode


def _lines(listed: Path) -> Iterator[str]:
    """Yield a list's lines without its comments."""
    for line in listed.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield line


if __name__ == "__main__":
    sys.exit(main())
