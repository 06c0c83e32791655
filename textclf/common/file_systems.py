"""Access folders on disks, object stores and HDFS by path or URL.

A process with a Spark driver uses the file systems, credentials and settings that Spark has, so that everything beside
the tables is found where the tables are. Any other process uses Arrow's file systems, on S3 with the settings that
Spark would have. Workers have no driver and get bytes through Spark's tasks.
"""

import re
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import fs

from textclf.common.spark_settings import s3_settings

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")  # a:b is a local file
_OBJECT_STORES = {"s3", "gcs", "abfs"}
"""Arrow's types of stores where a file appears whole when its writer closes it, and a rename is a copy."""


def is_url(location: str) -> bool:
    """Whether a location is a URL, such as ``s3a://bucket/a`` or ``file:/a``, and not a path.

    Example:
        >>> is_url("s3a://bucket/models"), is_url("file:/data"), is_url("a:b")
        (True, True, False)
    """
    return _URL.match(location) is not None


def file_system(location: str) -> tuple[fs.FileSystem, str]:
    """Return Arrow's file system of a path or URL, and the path in it.

    On a driver the file system is Spark's, except for local files, and except for a URL with options for Arrow, such
    as ``?region=``, or with a scheme for which Spark has no class.

    Raises:
        OSError: The file system cannot be reached.
        ValueError: The URL is not one.

    Example:
        >>> system, path = file_system("/data/models")
        >>> system.type_name, path
        ('local', '/data/models')
    """
    if location.startswith("file:") or not (is_url(location) or _default_is_remote()):
        return _arrows(location)
    arrows = is_url(location) and "?" in location
    return (None if arrows else _sparks(location)) or _arrows(location)


def replace_in(system: fs.FileSystem, path: str, data: bytes) -> None:
    """Write a file so that a reader sees either the old file or the new one.

    It is written beside its place and moved there, or, on an object store, put in its place as it is closed. Missing
    parent folders are created.
    """
    folder, _, name = path.rpartition("/")
    whole = system.type_name in _OBJECT_STORES or getattr(_handler(system), "replaces_on_close", False)
    aside = path if whole else f"{folder}/.{name[:40]}-{uuid4().hex}"
    system.create_dir(folder, recursive=True)
    with system.open_output_stream(aside, compression=None) as stream:
        stream.write(data)
    if whole:
        return
    if system.type_name == "hdfs" and system.get_file_info(path).is_file:
        system.delete_file(path)  # a rename by Arrow on HDFS does not replace
    system.move(aside, path)


def _arrows(location: str) -> tuple[fs.FileSystem, str]:
    if is_url(location):
        found = None if "?" in location else s3_settings(location)
        if found is not None:
            return fs.S3FileSystem(**found.for_arrow()), location.partition("://")[2].rstrip("/")
        system, path = fs.FileSystem.from_uri(re.sub(r"^s3[an]://", "s3://", location))
        return system, path
    return fs.LocalFileSystem(), str(Path(location).absolute())


def _sparks(location: str) -> tuple[fs.FileSystem, str] | None:
    """The same from Spark; None where this process has no driver, or Spark has no class for the scheme."""
    found = _driver()
    if found is None:
        return None
    from textclf.common.hadoop_files import HadoopFiles, NoFileSystemError

    try:
        files = HadoopFiles(*found, re.sub(r"^s3n?://", "s3a://", location))
    except NoFileSystemError:
        return None
    return fs.PyFileSystem(files), files.start


def _driver() -> tuple[Any, Any] | None:
    """Py4J's gateway and Hadoop's configuration of the session in this process; None if there is none."""
    pyspark = sys.modules.get("pyspark")
    context = pyspark and pyspark.SparkContext._active_spark_context
    if not context or context._jsc is None:
        return None
    session = sys.modules["pyspark.sql"].SparkSession._instantiatedSession if "pyspark.sql" in sys.modules else None
    if session is None:
        return context._gateway, context._jsc.hadoopConfiguration()
    return context._gateway, session._jsparkSession.sessionState().newHadoopConf()


def _default_is_remote() -> bool:
    """Whether a path without a scheme is not on a local disk for Spark, which takes it so for tables."""
    found = _driver()
    if found is None:
        return False
    return not str(found[1].get("fs.defaultFS", "file:///")).startswith("file:")


def _handler(system: fs.FileSystem) -> object:
    return system.handler if isinstance(system, fs.PyFileSystem) else None
