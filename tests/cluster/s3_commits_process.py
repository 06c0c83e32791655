"""Print what becomes of commits on an S3 whose answers are late, lost or refused; see ``test_s3``."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import deltalake
import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from tests.cluster_jars import S3, cluster_jars
from tests.factories.s3 import BUCKET, KEY, REGION, SECRET, s3a_settings
from tests.factories.s3_proxy import Fault, S3Proxy, s3_proxy
from textclf.spark import open_session
from textclf.storage.delta_log import identity
from textclf.storage.leases import exclusive_writes
from textclf.storage.leases.exclusive_writes import ExclusiveWritesError, check_exclusive_writes

ROOT = f"s3a://{BUCKET}/commits"


def first(count: int, fault: str) -> Fault:
    """Give the fault to the first requests that write."""
    left = iter(range(count))
    return lambda method, path: fault if method == "PUT" and next(left, None) is not None else None  # noqa: ARG005


def writer(spark: SparkSession) -> Callable[[int, str], str]:
    """Return a function that writes a commit and returns what came of it."""
    jvm: Any = spark._jvm
    hadoop = spark._jsparkSession.sessionState().newHadoopConf()
    store = jvm.textclf.CreateOnceLogStore(hadoop)

    def write(number: int, line: str) -> str:
        path = jvm.org.apache.hadoop.fs.Path(f"{ROOT}/_delta_log/{number:020d}.json")
        try:
            store.write(path, jvm.java.util.ArrayList([line]).iterator(), False, hadoop)
        except Py4JJavaError as error:
            return str(error.java_exception.getClass().getSimpleName())
        lines = store.read(path, hadoop)
        return "written" if [lines.next() for _ in iter(lines.hasNext, False)] == [line] else "lost"

    return write


def refused(spark: SparkSession, place: str = ROOT) -> str:
    """Return what the check of a bucket says."""
    exclusive_writes._known.clear()
    try:
        check_exclusive_writes(spark, place)
    except ExclusiveWritesError as error:
        return str(error)
    return ""


def beside_delta_rs(spark: SparkSession, proxy: S3Proxy) -> dict[str, object]:
    """Append to a table with Spark and with delta-rs at the same time, with commits that are late.

    Returns:
        What came of it: whether delta-rs appended at all, how many of the rows and commits are missing, and
        whether a writer found that the other one had taken its commit.
    """
    place, taken = f"{ROOT}/shared", 412
    options = {"AWS_ENDPOINT_URL": proxy.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION}
    options |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    before, theirs = proxy.answers[taken], 0
    rows = spark.range(2).coalesce(1)
    rows.write.format("delta").save(place)
    proxy.fault = lambda method, path: "slow" if method == "PUT" and "/shared/_delta_log/" in path else None

    def append() -> None:
        for _ in range(4):
            rows.write.format("delta").mode("append").save(place)

    with ThreadPoolExecutor(1) as pool:
        ours = pool.submit(append)
        while not ours.done():
            deltalake.write_deltalake(place, pa.table({"id": [7]}), mode="append", storage_options=options)
            theirs += 1
        ours.result()
    proxy.fault = lambda method, path: None  # noqa: ARG005
    table = deltalake.DeltaTable(place, storage_options=options)
    return {
        "theirs": theirs > 0,
        "missing rows": 2 * 5 + theirs - spark.read.format("delta").load(place).count(),
        "missing commits": 4 + theirs - table.version(),
        "one was late": proxy.answers[taken] > before,
    }


def findings(endpoint: str) -> Iterator[tuple[str, object]]:
    """Yield a name and what was found, for each kind of trouble."""
    with s3_proxy(endpoint) as proxy:
        jars = ",".join(map(str, cluster_jars(S3)))
        spark = open_session("t", {"spark.master": "local[1]", "spark.jars": jars, **s3a_settings(proxy.endpoint)})
        write = writer(spark)
        jvm: Any = spark._jvm
        hadoop = spark._jsparkSession.sessionState().newHadoopConf()
        log = jvm.org.apache.hadoop.fs.Path(f"{ROOT}/_delta_log")
        yield "partly visible", jvm.textclf.CreateOnceLogStore(hadoop).isPartialWriteVisible(log, hadoop)
        yield "safe", refused(spark)
        proxy.counts.clear()
        yield "safe again", [refused(spark), proxy.counts.total()]
        yield "first", [write(1, "a"), write(1, "b")]
        for number, fault in enumerate(("lost", "busy", "slow"), start=2):
            proxy.fault = first(2, fault)
            yield fault, write(number, fault)
            proxy.fault = first(1, fault)
            yield f"{fault}, of one that is there", write(1, fault)
        proxy.fault = first(6, "lost")
        with ThreadPoolExecutor(4) as pool:
            yield "of four", sorted(pool.map(lambda line: write(9, line), "abcd"))
        yield "beside delta-rs", beside_delta_rs(spark, proxy)
        nowhere = f"s3a://no-such-{BUCKET}/tables"
        yield "no bucket", refused(spark, nowhere)
        yield "no scheme", refused(spark, ROOT.replace("s3a:", "s3:"))
        yield "identities", [identity(spark, f"{place}/t{end}") for place in (ROOT, f"{ROOT}/") for end in ("", "/")]
        proxy.fault = lambda method, path: "unconditional"  # noqa: ARG005
        yield "a service without conditions", refused(spark)
        proxy.fault = lambda method, path: None  # noqa: ARG005
        vars(exclusive_writes)["lacks_companion"] = lambda spark: True  # noqa: ARG005
        yield "no companion", refused(spark)


if __name__ == "__main__":
    print(json.dumps(dict(findings(sys.argv[1]))))
