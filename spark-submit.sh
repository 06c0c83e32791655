#!/usr/bin/env bash
# Submit one of textclf's jobs to Spark: ./spark-submit.sh [spark-submit's own options] JOB --config FILE [flags]
# This script finds a Python; textclf/spark/launch/submit.py does the rest and then becomes the job.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
if [[ $root == *:* ]]; then
  echo "spark-submit.sh: Python and Java cannot use a folder whose path has a colon: $root; move it" >&2
  exit 2
fi
python=${TEXTCLF_PYTHON:-$root/.venv/bin/python}
if [[ -z ${TEXTCLF_PYTHON:-} && ! -x $python ]]; then
  python=$(command -v python3 || true)
fi
# -P: do not import modules of the current directory.
looked='import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, ("pyspark", "pydantic"))))'
if ! "${python:-python3}" -P -c "$looked" 2>/dev/null; then
  echo "spark-submit.sh: ${python:-python3} lacks textclf's packages; run make setup, or set TEXTCLF_PYTHON" >&2
  exit 1
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
export TEXTCLF_SUBMIT=$0 # as it was called: the summary of a run names the command that comes next
exec "$python" -P -m textclf.spark.launch.submit "$@"
