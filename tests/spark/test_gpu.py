"""A stage that needs GPUs and could never start is reported before it is submitted."""

import pytest
from pyspark.sql import SparkSession

from textclf.errors import UsageError
from textclf.spark.gpu import await_executors, check_gpus, device, has_gpus

AMOUNT, SCRIPT = "spark.executor.resource.gpu.amount", "spark.executor.resource.gpu.discoveryScript"
WRONG = {
    "a local master": ({"spark.master": "local[4]", AMOUNT: "1"}, "spark.master local[4]", "conf/spark-gpu.conf"),
    "executors without GPUs": ({"spark.master": "spark://h:7077"}, f"{AMOUNT} not set", f"--conf {AMOUNT}=1"),
    "no GPU at all": ({"spark.master": "spark://h:7077", AMOUNT: "0"}, f"{AMOUNT} 0", f"--conf {AMOUNT}=1"),
    "nothing that finds them": ({"spark.master": "yarn", AMOUNT: "1"}, f"{SCRIPT} not set", "discover-gpus.sh"),
    "a task that needs more": (
        {"spark.master": "spark://h:7077", AMOUNT: "1", "spark.task.resource.gpu.amount": "2"},
        f"spark.task.resource.gpu.amount 2 with {AMOUNT} 1",
        "--conf spark.task.resource.gpu.amount=1",
    ),
}


@pytest.mark.parametrize(("settings", "received", "fix"), WRONG.values(), ids=list(WRONG))
def test_a_request_that_cannot_be_met_is_refused(settings: dict[str, str], received: str, fix: str) -> None:
    with pytest.raises(UsageError) as error:
        check_gpus(settings)
    assert received in str(error.value)
    assert fix in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"spark.master": "spark://h:7077", AMOUNT: "1"},
        {"spark.master": "k8s://h", AMOUNT: "2", SCRIPT: "/s", "spark.task.resource.gpu.amount": "0.5"},
    ],
    ids=["standalone workers find their own", "Kubernetes asks a script"],
)
def test_a_request_that_can_be_met_is_not(settings: dict[str, str]) -> None:
    check_gpus(settings)
    assert has_gpus(settings)


def test_executors_that_never_come_are_not_waited_for_without_end(spark: SparkSession) -> None:
    # A local session has no executor besides the driver.
    with pytest.raises(UsageError, match=r"no executor within 0 s[\s\S]*ask for less"):
        await_executors(spark, seconds=0)


def test_a_device_without_a_number_is_refused() -> None:
    with pytest.raises(UsageError, match="GPU-1234"):
        device("GPU-1234")
