"""Archives of environments in the cluster's file system: sent once, by digest, and used by all later jobs on YARN.

A node manager keeps a file that it has fetched and unpacked, and gives it to every container that asks for the same
file, of any job. A file that spark-submit uploads is another one for each job, so that each node unpacks it each time.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from uuid import uuid4

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JError, Py4JJavaError

from textclf.common.java_classes import JavaClasses
from textclf.common.secrets import first_line
from textclf.common.spark_settings import spark_home
from textclf.errors import TextclfError
from textclf.spark.java import java_home
from textclf.spark.launch.environment import digest_of

SETTING = "spark.textclf.environment.store"
"""URL of the folder for archives; ``none`` to let spark-submit upload one with each job."""
NONE = "none"
FOLDER = ".textclf/environments"
"""The default: a folder in the user's home in the default file system."""
_HADOOP = "spark.hadoop."
_LONGEST = 500  # characters of Java's message


def stored(archive: Path, settings: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """Return the URL of an archive in the cluster's file system, after sending it unless it is there.

    The file is readable by everyone, like the packages in it: YARN shares files that everyone can read between users.
    It is written under another name and renamed, so that two jobs that send it at the same time do not meet.

    Args:
        archive: Packed archive on this machine.
        settings: Settings of spark-submit.
        environ: Environment of the caller, for ``HADOOP_CONF_DIR``.

    Returns:
        The URL; None where spark-submit must upload the archive: if the user says so, if the job runs for another user
        than the one who submits it, or if the default file system is that of this machine.

    Raises:
        TextclfError: The archive cannot be sent.
    """
    folder = settings.get(SETTING)
    if folder == NONE or "--proxy-user" in settings:
        return None
    try:
        with _hadoop(settings, environ) as jvm:
            try:
                return _sent(jvm, archive, folder, settings)
            except Py4JError as error:  # here, while Java can be asked for its message
                raise _not_stored(error, folder) from error
    except (OSError, ValueError) as error:  # Java has not started, or has ended before it said its port
        raise _not_stored(error, folder) from error


def _sent(jvm: Any, archive: Path, folder: str | None, settings: Mapping[str, str]) -> str | None:
    conf = _configured(jvm, settings)
    hadoop = jvm.org.apache.hadoop.fs
    if folder is None:
        default = hadoop.FileSystem.get(conf)
        if default.getScheme() == "file":
            return None
        place = hadoop.Path(default.getHomeDirectory(), FOLDER)
    else:
        place = hadoop.Path(folder)
    files = place.getFileSystem(conf)
    target = files.makeQualified(hadoop.Path(place, f"{archive.name.split('-')[0]}-{digest_of(archive)}.tar.gz"))
    size = archive.stat().st_size
    if not _is_there(files, target, size):
        everyone_may = jvm.org.apache.hadoop.fs.permission.FsPermission
        files.mkdirs(place, everyone_may("755"))
        aside = hadoop.Path(place, f".{uuid4().hex}")
        try:
            files.copyFromLocalFile(False, True, hadoop.Path(archive.as_uri()), aside)
            files.setPermission(aside, everyone_may("644"))
            _renamed(files, aside, target, size)
        finally:
            with suppress(Py4JError):  # the error that has ended the writing says more
                files.delete(aside, False)
    return str(target.toString())


def _renamed(files: Any, aside: Any, target: Any, size: int) -> None:
    """Rename the sent file. Another job may have done so first, with the same content."""
    try:
        moved = files.rename(aside, target)
    except Py4JJavaError:
        if not _is_there(files, target, size):
            raise
    else:
        if not moved and not _is_there(files, target, size):
            raise Py4JError(f"{target.toString()} cannot be put in its place")


def _is_there(files: Any, target: Any, size: int) -> bool:
    return bool(files.exists(target)) and files.getFileStatus(target).getLen() == size


def _configured(jvm: Any, settings: Mapping[str, str]) -> Any:
    """Return Hadoop's configuration of the job, and log in as spark-submit does."""
    conf = jvm.org.apache.hadoop.conf.Configuration()
    for name, value in settings.items():
        if name.startswith(_HADOOP):
            conf.set(name.removeprefix(_HADOOP), value)
    principal = settings.get("--principal") or settings.get("spark.kerberos.principal")
    keytab = settings.get("--keytab") or settings.get("spark.kerberos.keytab")
    users = jvm.org.apache.hadoop.security.UserGroupInformation
    users.setConfiguration(conf)
    if principal and keytab and users.isSecurityEnabled():
        users.loginUserFromKeytab(principal, keytab)
    return conf


@contextmanager
def _hadoop(settings: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[Any]:
    """Start a JVM with Spark's Hadoop, the cluster's configuration and the job's own jars."""
    folders = [environ[name] for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR") if environ.get(name)]
    given = map(urlparse, settings.get("spark.jars", "").split(","))
    jars = [
        *(jar.path for jar in given if jar.scheme in ("", "file", "local") and jar.path),
        *map(str, sorted(spark_home().glob("jars/*.jar"))),
    ]
    # As in a driver: where krb5.conf is, for example.
    options = settings.get("spark.driver.extraJavaOptions") or ""
    port, token, process = launch_gateway(
        jarpath=str(next(spark_home().glob("jars/py4j-*.jar"))),
        classpath=os.pathsep.join([*folders, *jars]),
        java_path=str(java_home() / "bin" / "java"),
        javaopts=["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *shlex.split(options)],
        enable_auth=True,
        die_on_exit=True,
        return_proc=True,
    )
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token, auto_convert=True))
    try:
        yield JavaClasses(gateway.jvm)
    finally:
        gateway.shutdown()
        process.stdin.close()  # the JVM lives as long as this is open, which a wrapper that waits for a job would keep


def _not_stored(error: Exception, folder: str | None) -> TextclfError:
    return TextclfError(
        "The Python environment cannot be put into the cluster's storage.",
        received=first_line(error, _LONGEST),
        expected=f"a folder that this user can write to: {folder or f'{FOLDER} in the home of the user'}",
        fix=f"name another folder with --conf {SETTING}=hdfs:///folder, or let spark-submit upload the environment "
        f"with each job: --conf {SETTING}={NONE}",
    )
