"""Refuse storage on which two drivers could overwrite each other's commits, before anything is written there.

A commit and a lock are files that are created only once. On local disks and on HDFS a name can be taken only once; on
Azure and Google's storage Delta's own classes see to that. On S3 it takes conditional writes (If-None-Match), which the
service must have and the log store must use.
"""

import re

from pyspark.sql import SparkSession

from textclf.common.file_systems import file_system, hadoop_files
from textclf.common.secrets import first_line
from textclf.errors import TextclfError
from textclf.spark.companion import LOG_STORE, PROVISION, lacks_companion

_S3 = ("s3a", "s3", "s3n")
_UNCONDITIONAL = re.compile(r"(?i)conditional|\b501\b|NotImplemented")
"""What an error says if the service, or its client as it is set, knows no conditional writes."""
_PROBE = "_textclf/created_once"
_known: set[tuple[str, str]] = set()


class ExclusiveWritesError(TextclfError):
    """A storage, or what writes to it, gives no way to create a file only once."""


def check_exclusive_writes(spark: SparkSession, folder: str) -> None:
    """Check that of several drivers that create one file below a folder, only one can succeed.

    A log store that the user has chosen is respected, and nothing is tried. Each bucket is tried once per process, with
    one request after the first time.

    Args:
        spark: An open session.
        folder: Path or URL of a folder for tables.

    Raises:
        ExclusiveWritesError: On S3, Spark has no file system for the scheme, the companion in the JVM is missing, the
            bucket cannot be written, or the service ignores the condition.
    """
    scheme, colon, rest = folder.partition("://")
    if not colon or (scheme, rest.partition("/")[0]) in _known or scheme not in _S3:
        return
    _check_scheme(spark, scheme, folder)
    conf = spark.sparkContext.getConf()
    setting = f"spark.delta.logStore.{scheme}.impl"
    chosen = conf.get("spark.delta.logStore.class") or conf.get(setting)
    lacking = chosen in (None, LOG_STORE) and lacks_companion(spark)
    if chosen is None or lacking:
        raise ExclusiveWritesError(
            "Tables on S3 need the Java classes of this package, without which two drivers could lose a commit.",
            received=f"{folder}, and " + ("no jar of these classes in this session" if lacking else f"no {setting}"),
            expected=f"the jar that set-up compiles, in spark.jars, and {setting}={LOG_STORE}",
            fix=f"{PROVISION if lacking else 'add this setting'}; or choose a log store that is safe with --conf "
            f"{setting}=CLASS",
        )
    if chosen == LOG_STORE and (why := _overwrites(folder)) is not None:
        raise ExclusiveWritesError(
            "This storage has no conditional writes, without which two drivers could lose a commit.",
            received=f"{folder}: {why}",
            expected="a service that refuses PUT with If-None-Match: * for an object that exists, with status 412",
            fix="update the service or set fs.s3a.create.conditional.enabled; or, where no other driver ever writes "
            f"to these tables, --conf {setting}=io.delta.storage.S3SingleDriverLogStore",
        )
    _known.add((scheme, rest.partition("/")[0]))


def _check_scheme(spark: SparkSession, scheme: str, folder: str) -> None:
    """Refuse a scheme that Spark's file systems do not have: Hadoop has a class only for ``s3a``."""
    if scheme != "s3a" and spark._jsparkSession.sessionState().newHadoopConf().get(f"fs.{scheme}.impl") is None:
        raise ExclusiveWritesError(
            "Spark has no file system for this URL.",
            received=folder,
            expected=f"s3a://, or a class for {scheme}://",
            fix=f"write s3a:// instead, or set spark.hadoop.fs.{scheme}.impl=org.apache.hadoop.fs.s3a.S3AFileSystem",
        )


def _overwrites(folder: str) -> str | None:
    """Say what happened to a file that was to be created twice; None if that was refused.

    Raises:
        ExclusiveWritesError: The storage cannot be tried.
    """
    try:
        system, base = file_system(folder)
        files = hadoop_files(system)
        if files is None:
            return "not reached through Spark"
        for _ in range(2):  # the first time there is no file yet
            files.create_once(f"{base}/{_PROBE}", b"")
    except FileExistsError:
        return None
    except OSError as error:
        said = first_line(error)
        if _UNCONDITIONAL.search(said):
            return said
        raise ExclusiveWritesError(
            "This storage cannot be written.",
            received=f"{folder}: {said}",
            expected="a bucket that exists, at an endpoint that answers, with keys that may write to it",
            fix="check the spelling and Spark's settings fs.s3a.*: `textclf check --spark` tries them; run it again if "
            "the service was only busy",
        ) from error
    return "it replaced an object that was to be created only once"
