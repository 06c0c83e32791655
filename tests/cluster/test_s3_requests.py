"""What jobs ask of S3: a limited number of requests, however many nights there have been. Each costs 20 to 100 ms."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.chain import CHAINS, ROOT, write_config, write_data
from tests.cluster.submission import submit_environ
from tests.cluster_jars import S3, cluster_jars
from tests.factories.s3 import BUCKET, s3_server, s3a_settings
from tests.factories.s3_proxy import s3_proxy
from tests.processes import free_port, run_module

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(2400)]
LIMITS = {"ingest_corpus": 262, "build_vocabulary": 207, "train_model": 175, "score_table": 187}
"""Half of the requests of the first release, for the sample's three sources and a new warehouse."""


@pytest.fixture
def server() -> Iterator[str]:
    with s3_server(free_port()) as endpoint:
        yield endpoint


def test_a_night_asks_no_more_of_s3_as_nights_add_up(server: str) -> None:
    found = json.loads(run_module("tests.cluster.s3_requests_process", server).stdout.splitlines()[-1])
    # Every ten nights a log gets a checkpoint and records are merged, in a few requests more or fewer. One more for
    # each night that has been would be 6% more in ten nights.
    assert sum(found[26:]) <= 1.03 * sum(found[16:26]), found
    assert max(found[16:]) < 2 * min(found[16:]), found


def test_a_job_of_the_sample_asks_half_as_often_as_in_the_first_release(server: str, tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    config = write_config(tmp_path / "config", tmp_path / "data", f"s3a://{BUCKET}/sample")
    config.write_text(f"{config.read_text()}[lock]\nlease = 3600.0\n")  # too long for renewals
    found = {}
    with s3_proxy(server) as proxy:
        settings = s3a_settings(proxy.endpoint) | {"spark.master": "local[2]", "spark.ui.enabled": "false"}
        settings["spark.jars"] = ",".join(map(str, cluster_jars(S3)))
        (tmp_path / "s3.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        for job, *flags in CHAINS["jobs"]:
            if job in LIMITS:
                proxy.counts.clear()
                command = [str(ROOT / "spark-submit.sh"), "--properties-file", str(tmp_path / "s3.conf"), job]
                command += ["--config", str(config), *flags]
                done = subprocess.run(command, env=submit_environ(), capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
                found[job] = proxy.counts.total()
    assert found.keys() == LIMITS.keys()
    assert all(found[job] <= most for job, most in LIMITS.items()), found
