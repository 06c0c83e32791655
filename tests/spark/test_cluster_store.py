"""Archives in the cluster's storage: sent once, whole, and not where spark-submit must send them itself."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector
from pyspark.sql import SparkSession

from textclf.common.file_systems import file_system
from textclf.errors import TextclfError
from textclf.spark.launch.cluster_store import SETTING, stored

_DIGEST = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of abc


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    made = tmp_path / "environment-lean-0123.tar.gz"
    made.write_bytes(b"abc")
    return made


def test_two_jobs_at_once_send_one_file_that_everyone_can_read(hdfs: str, spark: SparkSession, archive: Path) -> None:
    settings = {SETTING: f"{hdfs}/store"}

    with ThreadPoolExecutor(2) as pool:
        urls = set(pool.map(lambda _: stored(archive, settings, os.environ), range(2)))

    assert urls == {f"{hdfs}/store/environment-{_DIGEST}.tar.gz"}
    files, folder = file_system(f"{hdfs}/store")
    (sent,) = files.get_file_info(FileSelector(folder))
    assert (sent.base_name, sent.size) == (f"environment-{_DIGEST}.tar.gz", 3)
    before = sent.mtime
    assert {stored(archive, settings, os.environ)} == urls
    assert files.get_file_info(sent.path).mtime == before


def test_an_archive_goes_to_the_users_home_in_the_default_file_system(hdfs: str, archive: Path) -> None:
    settings = {"spark.hadoop.fs.defaultFS": hdfs.removesuffix("/tests")}

    url = stored(archive, settings, os.environ)

    assert url is not None
    assert url.startswith(settings["spark.hadoop.fs.defaultFS"] + "/user/")
    assert url.endswith(f"/.textclf/environments/environment-{_DIGEST}.tar.gz")


@pytest.mark.parametrize("settings", [{SETTING: "none"}, {"--proxy-user": "other"}, {}], ids=["none", "proxy", "local"])
def test_spark_submit_sends_the_archive_itself(archive: Path, settings: dict[str, str]) -> None:
    assert stored(archive, settings, {}) is None


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(archive: Path) -> None:
    with pytest.raises(TextclfError) as raised:
        stored(archive, {SETTING: "hdfs://127.0.0.1:1/store"}, {})

    assert "Connection refused" in str(raised.value.received)
    assert f"--conf {SETTING}=none" in str(raised.value.fix)
