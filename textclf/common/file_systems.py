"""Access folders on disks, object stores and HDFS by path or URL.

A process with a Spark driver uses the file systems, credentials and settings that Spark has, so that everything beside
the tables is found where the tables are. Any other process uses Arrow's file systems, on S3 with the settings that
Spark would have. Workers have no driver and get bytes through Spark's tasks.
"""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from textclf.common.spark_settings import hadoop_settings, s3_settings
from textclf.errors import UsageError

if TYPE_CHECKING:
    from textclf.common.hadoop_files import HadoopFiles

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")  # a:b is a local file
_ARROWS = re.compile(r"[^?]*\?|s3[an]?://[^/]*@")
"""URLs with what only Arrow takes: options, or keys before the bucket."""
_OBJECT_STORES = {"s3", "gcs", "abfs"}
"""Arrow's types of stores where a file appears whole when its writer closes it, and a rename is a copy."""


def is_url(location: str) -> bool:
    """Whether a location is a URL, such as ``s3a://bucket/a`` or ``file:/a``, and not a path.

    Example:
        >>> is_url("s3a://bucket/models"), is_url("file:/data"), is_url("a:b")
        (True, True, False)
    """
    return _URL.match(location) is not None


def on_default_storage(location: str) -> str:
    """Make a path absolute, relative to the current directory, and a URL where Spark's default file system is remote.

    Spark takes paths of tables so. URLs stay as they are.
    """
    if is_url(location):
        return location
    path, default = os.path.abspath(location), _default_storage()
    return path if default.startswith("file:") else default.rstrip("/") + path


def file_system(location: str) -> tuple[fs.FileSystem, str]:
    """Return Arrow's file system of a path or URL, and the path in it.

    On a driver the file system of a URL is Spark's, except for local files, for a URL with what only Arrow takes
    (options such as ``?region=``, keys before the bucket), and for a scheme for which Spark has no class.

    Raises:
        OSError: The file system cannot be reached.
        ValueError: The URL is not one, or a file of Spark's settings cannot be read.

    Example:
        >>> system, path = file_system("/data/models")
        >>> system.type_name, path
        ('local', '/data/models')
    """
    if not is_url(location) or location.startswith("file:") or _ARROWS.match(location):
        return _arrows(location)
    return _sparks(location) or _arrows(location)


def hadoop_files(system: fs.FileSystem) -> "HadoopFiles | None":
    """Return what is behind one of Spark's file systems; None for one of Arrow's own."""
    return system.handler if system.type_name.startswith("py::hadoop-") else None


def open_sized(location: str, size: int) -> pa.NativeFile:
    """Open a file whose size is known, so that an object store is not asked for it.

    Args:
        location: Path or URL of the file.
        size: Its number of bytes.

    Raises:
        OSError: The file cannot be read.
    """
    system, path = file_system(location)
    if (files := hadoop_files(system)) is not None:
        files.expect(path, size)
    return system.open_input_file(path)


def replace_in(system: fs.FileSystem, path: str, data: bytes) -> None:
    """Write a file so that a reader sees either the old file or the new one.

    It is written beside its place and moved there, or, on an object store, put in its place as it is closed. Missing
    parent folders are created.
    """
    folder, _, name = path.rpartition("/")
    files = hadoop_files(system)
    whole = system.type_name in _OBJECT_STORES if files is None else files.replaces_on_close
    aside = path if whole else f"{folder}/.{name[:40]}-{uuid4().hex}"
    system.create_dir(folder, recursive=True)
    try:
        with system.open_output_stream(aside, compression=None) as stream:
            stream.write(data)
        if whole:
            return
        if system.type_name == "hdfs" and system.get_file_info(path).is_file:
            system.delete_file(path)  # a rename by Arrow on HDFS does not replace
        system.move(aside, path)
    except BaseException:
        with suppress(OSError):
            if not whole:
                system.delete_file(aside)
        raise


def _arrows(location: str) -> tuple[fs.FileSystem, str]:
    if not is_url(location):
        return fs.LocalFileSystem(), str(Path(location).absolute())
    try:
        found = None if _ARROWS.match(location) else s3_settings(location)
    except UsageError as error:
        raise ValueError(" ".join(str(error).split())) from error
    if found is not None:
        return fs.S3FileSystem(**found.for_arrow()), location.partition("://")[2].rstrip("/")
    system, path = fs.FileSystem.from_uri(re.sub(r"^s3[an]://", "s3://", location))
    return system, path


def _sparks(location: str) -> tuple[fs.FileSystem, str] | None:
    """The same from Spark; None where this process has no driver, or Spark has no class for the scheme."""
    context = _context()
    if context is None:
        return None
    from textclf.common.hadoop_files import HadoopFiles, NoFileSystemError

    try:
        files = HadoopFiles(context._gateway, lambda: _configuration(context), location)
    except NoFileSystemError:
        return None
    return fs.PyFileSystem(files), files.start


def _context() -> Any | None:
    """The context of this process' driver; None if there is none."""
    pyspark = sys.modules.get("pyspark")
    context = pyspark and pyspark.SparkContext._active_spark_context
    return context if context and context._jsc is not None else None


def _configuration(context: Any) -> Any:
    """Hadoop's configuration of the session, or else of the context."""
    session = sys.modules["pyspark.sql"].SparkSession._instantiatedSession if "pyspark.sql" in sys.modules else None
    return (
        context._jsc.hadoopConfiguration() if session is None else session._jsparkSession.sessionState().newHadoopConf()
    )


def _default_storage() -> str:
    """URL of Spark's default file system."""
    context, name, local = _context(), "fs.defaultFS", "file:///"
    try:
        found = hadoop_settings().get(name) if context is None else context._jsc.hadoopConfiguration().get(name)
    except (UsageError, OSError, RuntimeError):  # Py4J's errors are RuntimeErrors; what needs Spark will say it
        return local
    return str(found or local)
