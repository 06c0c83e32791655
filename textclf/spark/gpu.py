"""GPUs as Spark gives them to tasks: which one is a task's, the profile of a stage that needs one, what goes wrong.

Spark gives a task addresses, and says nothing of a request that no node can meet: the job waits for ever. What can be
told before is told here.
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
_WAIT = 120.0  # seconds for the first executor of a cluster that has to start one


def task_gpu() -> str | None:
    """Address of the GPU that this task was given; None outside a task, and in one without a GPU.

    Example:
        >>> task_gpu() is None
        True
    """
    context = TaskContext.get()
    given = context.resources().get(GPU) if context is not None else None
    return given.addresses[0] if given is not None else None


def device(address: str | None) -> AbstractContextManager[None]:
    """Where Keras puts what is built and computed within it: on a GPU by its address, else where Keras would.

    Raises:
        UsageError: An address that is no number, as of a device by its universal name.
    """
    if address is None:
        return nullcontext()
    if not address.isdecimal():
        raise UsageError(
            "Keras cannot use a GPU by this address.",
            received=address,
            expected="a number, as nvidia-smi counts GPUs",
            fix="let the discovery script print numbers: conf/discover-gpus.sh does",
        )
    import keras

    chosen: AbstractContextManager[None] = keras.device(f"gpu:{address}")
    return chosen


def gpu_profile() -> ResourceProfile:
    """A stage whose tasks take one GPU each, on the executors that there are; other stages use every core."""
    built: ResourceProfile = ResourceProfileBuilder().require(TaskResourceRequests().cpus(1).resource(GPU, 1)).build
    return built


def has_gpus(settings: Mapping[str, str]) -> bool:
    """Whether executors were asked for with GPUs."""
    return float(settings.get(_AMOUNT) or 0) > 0


def check_gpus(settings: Mapping[str, str]) -> None:
    """Refuse settings with which a stage that needs GPUs would never begin.

    Args:
        settings: Those of Spark.

    Raises:
        UsageError: No cluster, executors without GPUs, nothing that finds them, or a task that needs more than an
            executor has.
    """
    master = settings.get("spark.master", "")
    if master.startswith("local"):
        raise _wrong(
            f"spark.master {master}",
            "a standalone, YARN or Kubernetes master: a local one gives no GPU to any task",
            "submit with --master and --properties-file conf/spark-gpu.conf",
        )
    amount = settings.get(_AMOUNT)
    if not amount or float(amount) < 1:
        raise _wrong(f"{_AMOUNT} {amount or 'not set'}", "at least 1 for each executor", f"--conf {_AMOUNT}=1")
    finds_itself = master.startswith("spark://")  # a standalone worker finds its GPUs and gives them out
    if not settings.get(_SCRIPT) and not finds_itself:
        raise _wrong(
            f"{_SCRIPT} not set",
            "a script that prints the addresses of a node's GPUs, at that place on every node",
            f"--conf {_SCRIPT}=/path/to/discover-gpus.sh; conf/discover-gpus.sh is one",
        )
    needed = float(settings.get(_TASK) or 1)
    if needed > float(amount):
        raise _wrong(f"{_TASK} {needed:g} with {_AMOUNT} {amount}", "a task that needs no more than its executor has",
                     f"--conf {_TASK}=1")  # fmt: skip


def await_executors(spark: SparkSession, seconds: float = _WAIT) -> None:
    """Wait for the first executor.

    Raises:
        UsageError: None came: the cluster has no node that could run one.
    """
    context = spark.sparkContext
    if context.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        return  # executors come with the first job
    assert context._jsc is not None
    deadline = time.monotonic() + seconds
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:  # the driver's own is one of them
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
