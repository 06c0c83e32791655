"""Print what each of many nights of one warehouse asks of S3, as jobs that begin anew; see ``test_s3_requests``."""

import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.cluster_jars import S3, cluster_jars
from tests.factories.s3 import BUCKET, s3a_settings
from tests.factories.s3_proxy import s3_proxy
from tests.soak.world import DAYS, pipeline_text, score_once, write_inputs
from textclf.config import parse_pipeline
from textclf.scoring.score import ScoreOptions
from textclf.spark import open_session

NIGHTS = 36  # a log gets a checkpoint, and run records are merged, every ten commits


def requests(endpoint: str, folder: Path) -> Iterator[int]:
    """Yield the number of requests of each night, which scores a day that was not there before."""
    write_inputs(folder)
    # Without a day in the input, --date names the day; the lease is too long for renewals.
    text = pipeline_text(f"s3a://{BUCKET}/requests", folder, "[lock]\nlease = 3600.0\n").replace('date = "ds"\n', "")
    pipeline, one_file = parse_pipeline(text), str(folder / "input0" / f"{DAYS[0]}.parquet")
    with s3_proxy(endpoint) as proxy:
        jars = ",".join(map(str, cluster_jars(S3)))
        spark = open_session("t", {"spark.master": "local[1]", "spark.jars": jars, **s3a_settings(proxy.endpoint)})
        jvm: Any = spark._jvm
        for night in range(NIGHTS):
            jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # the next night is a process of its own
            proxy.counts.clear()
            run, code = score_once(spark, pipeline, ScoreOptions(input=one_file, day=DAYS[0] + timedelta(days=night)))
            if code != 0:
                raise SystemExit(f"{run.run_id} ended with {code}: {run.error}")
            yield sum(count for name, count in proxy.counts.items() if ":" not in name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(list(requests(sys.argv[1], Path(scratch, "world")))))
