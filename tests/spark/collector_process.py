"""A session that sends lineage to a collector: ``python -m tests.spark.collector_process EVENTS JAR``.

Prints the listener's settings for the collector, then a line for each Java process of the session: whether its command
line contains secrets.
"""

import sys
from pathlib import Path

from textclf.spark import open_session, openlineage

COLLECTOR = openlineage.Collector("https://ana:pa/ss-w0rd@collector.example/x?api_key=key-of-ours", "nights")


def main(events: str, jar: str) -> None:
    openlineage.LISTENER = "org.apache.spark.scheduler.StatsReportListener"  # available without an extra jar
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events,
        "spark.eventLog.compress": "false",
        "spark.master": "local[1]",
        "spark.jars": f"file:{jar}",
    }
    spark = open_session("t", settings, lineage=COLLECTOR)
    conf = spark.sparkContext.getConf()
    print(conf.get("spark.openlineage.transport.url"), conf.get("spark.openlineage.transport.headers.Authorization"))
    spark.range(3).count()
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes()
        except OSError:
            continue
        if words.partition(b"\0")[0].endswith(b"java") and b"openlineage.namespace=nights" in words:
            print("java", b"ss-w0rd" in words, b"key-of-ours" in words, b"YW5hOnBh" in words)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
