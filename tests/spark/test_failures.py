"""Classification of Spark's errors by their messages."""

import pytest

from textclf.spark.failures import failed_reading, lost_task, no_room, passing

ABORTED = "Job aborted due to stage failure: Task 12 in stage 3.0 failed 1 times, most recent failure: "


@pytest.mark.parametrize(
    "why",
    [
        "ExecutorLostFailure (executor 1 exited caused by one of the running tasks)",
        "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)",
        "worker lost",
        "Executor heartbeat timed out after 120000 ms",
    ],
)
def test_a_process_that_went_away_is_told_with_its_task(why: str) -> None:
    assert lost_task(RuntimeError(ABORTED + why)) == 12
    assert passing(RuntimeError(ABORTED + why))
    assert lost_task(RuntimeError(why)) is None  # the message does not name the task


@pytest.mark.parametrize("why", ["ValueError: 3 is not a list", "ExecutorLost", ""])
def test_a_task_that_failed_by_itself_is_not_lost(why: str) -> None:
    assert lost_task(RuntimeError(ABORTED + why)) is None
    assert not passing(RuntimeError(ABORTED + why))


def test_the_end_of_a_connection_is_a_lost_task_and_nothing_that_passes() -> None:
    error = RuntimeError(f"{ABORTED}java.io.EOFException")

    assert lost_task(error) == 12
    assert not passing(error)


@pytest.mark.parametrize(
    "said",
    [
        "EXECUTOR LOST",
        "FetchFailed(BlockManagerId(1, host, 7337, None), shuffleId=3)",
        "org.apache.spark.shuffle.MetadataFetchFailedException: Missing an output location",
        "java.net.SocketTimeoutException: Read timed out",
        "Connection reset by peer",
        "connection refused",
        "Connection timed out",
        "AmazonS3Exception: Please reduce your request rate. (Error Code: SlowDown)",
        "503 Service Unavailable",
        "ServiceUnavailable",
    ],
)
def test_storage_and_networks_that_do_not_answer_pass(said: str) -> None:
    assert passing(RuntimeError(said))
    assert lost_task(RuntimeError(said)) is None


def test_full_storage_and_damaged_files_do_not_pass() -> None:
    full, damaged = RuntimeError("No space left on device"), RuntimeError("x\n[FAILED_READ_FILE.NO_HINT] a.parquet\ny")

    assert no_room(full) == "No space left on device"
    assert failed_reading(damaged) == "[FAILED_READ_FILE.NO_HINT] a.parquet"
    assert no_room(damaged) is failed_reading(full) is None
    assert not passing(full)
    assert not passing(damaged)
