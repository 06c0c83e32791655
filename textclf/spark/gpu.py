"""GPUs of Spark tasks: a task's device, the resource profile of a stage, and checks of the settings.

Spark does not report a request for GPUs that no node can meet: the job waits forever. This module checks beforehand
what can be checked.
"""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from pyspark import TaskContext
from pyspark.resource import ResourceProfile, ResourceProfileBuilder, TaskResourceRequests
from pyspark.sql import SparkSession

from textclf.errors import UsageError

GPU = "gpu"
_AMOUNT = "spark.executor.resource.gpu.amount"
_SCRIPT = "spark.executor.resource.gpu.discoveryScript"
_TASK = "spark.task.resource.gpu.amount"
_WAIT = 120.0  # seconds to wait for a cluster's first executor


def task_gpu() -> str | None:
    """Return the address of this task's GPU; None outside a task and in a task without a GPU.

    Example:
        >>> task_gpu() is None
        True
    """
    context = TaskContext.get()
    given = context.resources().get(GPU) if context is not None else None
    return given.addresses[0] if given is not None else None


def device(address: str | None) -> AbstractContextManager[None]:
    """Make Keras build and compute on a GPU inside the block.

    Args:
        address: Address of the GPU; None leaves the choice of the device to Keras.

    Raises:
        UsageError: The address is not a number, for example a device UUID.
    """
    if address is None:
        return nullcontext()
    if not address.isdecimal():
        raise UsageError(
            "Keras cannot use a GPU by this address.",
            received=address,
            expected="the number of a GPU, as nvidia-smi numbers them",
            fix="let the discovery script print numbers, as conf/discover-gpus.sh does",
        )
    import keras

    chosen: AbstractContextManager[None] = keras.device(f"gpu:{address}")
    return chosen


def gpu_profile() -> ResourceProfile:
    """Make the profile of a stage whose tasks take one GPU each, on existing executors; other stages use all cores."""
    built: ResourceProfile = ResourceProfileBuilder().require(TaskResourceRequests().cpus(1).resource(GPU, 1)).build
    return built


def has_gpus(settings: Mapping[str, str]) -> bool:
    """Whether Spark's settings request executors with GPUs."""
    return float(settings.get(_AMOUNT) or 0) > 0


def check_gpus(settings: Mapping[str, str]) -> None:
    """Refuse settings with which a stage that needs GPUs would never begin.

    Args:
        settings: Settings of Spark.

    Raises:
        UsageError: There is no cluster, executors have no GPUs, no script discovers them, or a task needs more than an
            executor has.
    """
    master = settings.get("spark.master", "")
    if master.startswith("local"):
        raise _wrong(
            f"spark.master {master}",
            "a standalone, YARN or Kubernetes master; a local master gives tasks no GPUs",
            "submit with --master and --properties-file conf/spark-gpu.conf",
        )
    amount = settings.get(_AMOUNT)
    if not amount or float(amount) < 1:
        raise _wrong(f"{_AMOUNT} {amount or 'not set'}", "at least 1 for each executor", f"--conf {_AMOUNT}=1")
    finds_itself = master.startswith("spark://")  # a standalone worker discovers and assigns its own GPUs
    if not settings.get(_SCRIPT) and not finds_itself:
        raise _wrong(
            f"{_SCRIPT} not set",
            "a script that prints the addresses of a node's GPUs, at the same path on every node",
            f"--conf {_SCRIPT}=/path/to/discover-gpus.sh; conf/discover-gpus.sh is such a script",
        )
    needed = float(settings.get(_TASK) or 1)
    if needed > float(amount):
        raise _wrong(f"{_TASK} {needed:g} with {_AMOUNT} {amount}", "a task that needs at most what its executor has",
                     f"--conf {_TASK}=1")  # fmt: skip


def await_executors(spark: SparkSession, seconds: float = _WAIT) -> None:
    """Wait for the first executor.

    Args:
        spark: An open session.
        seconds: Longest time to wait, in seconds.

    Raises:
        UsageError: No executor started: no node of the cluster can run one.
    """
    context = spark.sparkContext
    if context.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        return  # executors come with the first job
    assert context._jsc is not None
    deadline = time.monotonic() + seconds
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:  # the driver counts as one
        if time.monotonic() > deadline:
            settings = dict(context.getConf().getAll())
            asked = {name: settings[name] for name in (_AMOUNT, "spark.executor.memory", "spark.executor.cores")
                     if name in settings}  # fmt: skip
            raise _wrong(
                f"no executor within {seconds:.0f} s for "
                + ", ".join(f"{key} {value}" for key, value in asked.items()),
                "at most what one node has",
                "look at the nodes' GPUs, memory and cores in the master's web page, and ask for less, or start "
                "workers with spark.worker.resource.gpu.amount and spark.worker.resource.gpu.discoveryScript",
            )
        time.sleep(0.2)


def _wrong(received: str, expected: str, fix: str) -> UsageError:
    return UsageError("No task would ever get a GPU.", received=received, expected=expected, fix=fix)
