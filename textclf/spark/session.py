"""The one place that opens a Spark session."""

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from textclf.common.atomic_files import has_home, umask, user_folder
from textclf.common.java_classes import JavaClasses
from textclf.common.spark_settings import spark_home
from textclf.errors import TextclfError
from textclf.spark.companion import companion_jars, log_stores
from textclf.spark.jars import COMPANION, DELTA_CONF, DELTA_COORDINATES, delta_jars
from textclf.spark.java import check_account, java_home
from textclf.spark.launch.class_archive import (
    CLASS_PATH,
    DEFAULT_OPTIONS,
    driver_settings,
    find_archive,
    on_class_path,
)
from textclf.spark.launch.class_dump import make_at_exit
from textclf.spark.locales import use_utf8, utf8_locale
from textclf.spark.openlineage import Collector, add_address, add_lineage
from textclf.spark.preload.environment import DAEMON
from textclf.spark.startup_output import start_jvm
from textclf.spark.submit_options import given_settings, in_one_process


class LocaleError(TextclfError):
    """Java cannot name files in UTF-8, which this project needs."""


# One thread for each numeric library in a worker: Spark already runs one worker per core.
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ),
    "1",
)
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}  # oneDNN changes the last digits of scores
_GROWING = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # workers share a GPU
WORKER_CONF = {f"spark.executorEnv.{name}": value for name, value in (_ONE_THREAD | _QUIET | _GROWING).items()}

DEFAULTS = {
    "spark.sql.session.timeZone": "UTC",  # days and timestamps mean the same on every machine
    "spark.sql.variable.substitute": "false",  # text that Spark parses is never expanded
    "spark.sql.adaptive.enabled": "true",
    # The first bounds a worker's memory with long texts; the second makes batches of short texts large enough that the
    # cost of a call does not matter.
    "spark.sql.execution.arrow.maxBytesPerBatch": str(8 << 20),
    "spark.sql.execution.arrow.maxRecordsPerBatch": "16384",
    "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",  # a crashed worker reports where
    "spark.databricks.delta.snapshotPartitions": "2",  # the tables have small logs; 50 tasks to read one are a waste
    # Delta names the files of small tables in each commit's checksum file, and textclf takes them from there. In a time
    # zone other than UTC it would check them against the whole log after each commit, in three Spark jobs.
    "spark.databricks.delta.allFilesInCrc.verificationMode.forceOnNonUTC.enabled": "false",
    "spark.sql.maxConcurrentOutputFileWriters": "64",  # a task need not sort its rows by partition before a write
    "spark.ui.showConsoleProgress": "false",  # its bars would be drawn over log messages; steps have lines of their own
    # No requests to S3 that look for a folder or file of the same name above or below: no two of ours have one name.
    "spark.hadoop.fs.s3a.performance.flags": "create,delete,mkdir",
    # Pools share the slots, so that a search's writes to its table do not wait behind thousands of trials. Jobs without
    # a pool run in order, as in the default mode.
    "spark.scheduler.mode": "FAIR",
}
# A Python task over TCP waits 40 ms for an acknowledgement that the kernel delays. Not used on YARN, whose temporary
# folders have longer names than a socket may have.
SOCKETS = {"spark.python.unix.domain.socket.enabled": "true"}
_DISTRIBUTED = ("spark.archives", "spark.files", "spark.jars")
_SHORT_FOLDERS = ("local", "spark://", "k8s://")  # masters whose executors have /tmp
# Java's second compiler takes most of a core while the JVM warms up, which pays off only for long work over many rows.
# Without it Java reserves 48 MB for compiled code instead of 240. A chain of three sources fills 32 of them, and Spark
# compiles each new query: where there are more sources or a range of nights, Java would run out and stop compiling.
_ONE_COMPILER = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
# For a driver that handles few rows.
FEW_ROWS = {DEFAULT_OPTIONS: _ONE_COMPILER}
# For work that is short as a whole: the serial collector has no threads of its own to warm up.
SHORT_WORK = {DEFAULT_OPTIONS: f"{_ONE_COMPILER} -XX:+UseSerialGC"}
LOCAL_DEFAULTS = {
    "spark.driver.memory": "4g",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def open_session(
    app_name: str, overrides: Mapping[str, str] | None = None, *, lineage: Collector | None = None
) -> SparkSession:
    """Open a Spark session, or return the session that is open already.

    Settings of spark-submit and of the environment take precedence over ``overrides``, and these over textclf's
    defaults. The default master is ``local[*]``. Delta comes from the jars in the environment, or else from Maven.

    Args:
        app_name: Name of the application in Spark's UI and logs.
        overrides: Spark settings of the caller, as in ``spark.conf``; none by default.
        lineage: Collector that receives OpenLineage events from Spark's listener; None for no events. A session that
            is open already is not changed.

    Returns:
        The session, with Delta's SQL extension and the time zone UTC.

    Raises:
        JavaError: There is no Java that Spark can run on.
        AccountError: The system does not know this user.
        JarsError: The jar for lineage is missing and cannot be fetched.
        LocaleError: The JVM runs already and cannot name files in UTF-8.

    Example:
        >>> from textclf import open_session
        >>> spark = open_session("example", {"spark.master": "local[2]"})
        >>> spark.range(3).count(), spark.conf.get("spark.sql.session.timeZone")
        (3, 'UTC')
    """
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    check_account()
    _set_variables()
    conf = _given()
    overrides = _fast_start(conf, overrides or {})
    conf.setIfMissing("spark.app.name", app_name)
    conf.setIfMissing("spark.master", overrides.get("spark.master", "local[*]"))
    worker_locale = {"spark.executorEnv.LC_ALL": utf8_locale(os.environ, conf.get("spark.master", "") or "")}
    for settings in (overrides, DELTA_CONF, WORKER_CONF, worker_locale, DEFAULTS):
        for key, value in settings.items():
            conf.setIfMissing(key, value)
    if conf.get("spark.master", "").startswith(_SHORT_FOLDERS):
        for key, value in SOCKETS.items():
            conf.setIfMissing(key, value)
    _add_jars(conf)
    if lineage is not None:
        add_lineage(conf, lineage)
    if conf.get("spark.master", "").startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        for key, value in {**LOCAL_DEFAULTS, **_permissions(), **_daemon(conf)}.items():
            conf.setIfMissing(key, value)
    start_jvm(conf)
    if lineage is not None:
        SparkContext._ensure_initialized(conf=conf)
        add_address(conf, lineage)
    spark = SparkSession.builder.config(conf=conf).getOrCreate()
    _check_locale(spark)
    spark.sparkContext.setLogLevel(conf.get("spark.log.level", "ERROR") or "ERROR")
    # PySpark would log each error as a line of JSON, unmasked, before the code that catches it can explain it.
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL)
    return spark


def _daemon(conf: SparkConf) -> dict[str, str]:
    """Settings for our daemon of workers, which gets this package's path: it starts before Spark ships any files."""
    root = Path(__file__).parents[2]
    if root.name.endswith("-packages"):  # Python looks there anyway, after its own modules
        return {"spark.python.daemon.module": DAEMON}
    if not root.is_dir() or os.pathsep in str(root) or conf.contains("spark.executorEnv.PYTHONPATH"):
        return {}  # inside a zip, or if workers are given other paths
    return {"spark.python.daemon.module": DAEMON, "spark.executorEnv.PYTHONPATH": str(root)}


def _permissions() -> dict[str, str]:
    """Set Hadoop's umask for tables. Hadoop has its own, 022, and ignores a stricter umask of this process."""
    taken = umask() | 0o022
    return {"spark.hadoop.fs.permissions.umask-mode": f"{taken:03o}"} if taken != 0o022 else {}


def _check_locale(spark: SparkSession) -> None:
    jvm = JavaClasses(spark._jvm)
    encoding = jvm.java.lang.System.getProperty("sun.jnu.encoding")
    if encoding is not None and encoding.upper() != "UTF-8":  # not every Java has this property
        spark.stop()
        raise LocaleError(
            "Java cannot name files in UTF-8 here: sources with non-ASCII letters would be lost.",
            received=f"a driver's JVM that was started with the encoding {encoding}, LC_ALL="
            f"{os.environ.get('LC_ALL', '')}",
            expected="UTF-8, in a locale that this machine has (locale -a lists them)",
            fix="export LC_ALL=C.UTF-8, or another such locale, before spark-submit; on a cluster also for the driver "
            "(spark.yarn.appMasterEnv.LC_ALL, spark.kubernetes.driverEnv.LC_ALL)",
        )


def _set_variables() -> None:
    """Set the environment of this process, which the JVM and the workers inherit."""
    os.environ["JAVA_HOME"] = str(java_home())  # also replaces a value without a usable Java
    # Executors with another Python than the driver's fail late and obscurely.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for name, value in _QUIET.items():  # makes training on the driver give the same digits as executors
        os.environ.setdefault(name, value)
    if not has_home():  # otherwise Keras would read settings from /tmp/.keras, where any user may have left some
        os.environ.setdefault("KERAS_HOME", str(user_folder("keras") or tempfile.mkdtemp(prefix="textclf-keras-")))
    use_utf8()


def _given() -> SparkConf:
    """Read the settings of spark-submit, or else of ``PYSPARK_SUBMIT_ARGS`` and Spark's own configuration files."""
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        # Started by spark-submit: its settings are in the JVM, which SparkConf reads only after it is initialized.
        SparkContext._ensure_initialized()
        return SparkConf()
    conf = SparkConf()
    settings = given_settings()
    left: tuple[str, ...] = ()
    if settings.get("spark.master") == "yarn":
        # spark-submit, which reads the same options, has YARN distribute these. As settings of the session they would
        # be sent by the driver as well, and it would unpack the archive of the environment itself.
        left = _DISTRIBUTED
        # PySpark looks for the project's zip where only other masters put it; the driver has the project anyway.
        warnings.filterwarnings("ignore", "Failed to add file .*/textclf-", RuntimeWarning)
    for key, value in settings.items():
        if key not in left:
            conf.setIfMissing(key, value)
    return conf


def _fast_start(conf: SparkConf, overrides: Mapping[str, str]) -> dict[str, str]:
    """Add the settings with which a JVM starts fast to the caller's; one that runs already takes no more options."""
    others = {name: value for name, value in overrides.items() if name != DEFAULT_OPTIONS}
    if SparkContext._gateway is not None:
        return others
    java, given = Path(os.environ["JAVA_HOME"]), {**others, **dict(conf.getAll())}
    archive = find_archive(java, given)
    if archive.missing:
        make_at_exit(java)
    jars = on_class_path(given)
    added = driver_settings(archive, java, given, overrides.get(DEFAULT_OPTIONS, ""))
    return others | ({CLASS_PATH: jars} if jars else {}) | added


def _add_jars(conf: SparkConf) -> None:
    """Add Delta's jars and the companion, unless spark-submit has brought them already.

    Executors in other processes get those of the class path, too.
    """
    jars, packages = conf.get("spark.jars", "") or "", conf.get("spark.jars.packages", "") or ""
    # On YARN jars are distributed by spark-submit, and no setting of the session.
    given = jars + packages + os.environ.get("PYSPARK_SUBMIT_ARGS", "") + (conf.get("spark.yarn.dist.jars", "") or "")
    if in_one_process(conf.get("spark.master", "") or ""):
        given += conf.get(CLASS_PATH, "") or ""
    if "delta-spark" in given or any(spark_home().glob("jars/delta-spark*.jar")):
        more = []
    else:
        more = delta_jars()
        if not more:
            conf.set("spark.jars.packages", ",".join(filter(None, [packages, DELTA_COORDINATES])))
    more += [] if COMPANION in given else companion_jars()
    if more:
        conf.set("spark.jars", ",".join(filter(None, [jars, *map(str, more)])))
    for key, value in log_stores((conf.get("spark.jars", "") or "") + given).items():
        if not conf.contains("spark.delta.logStore.class"):  # Delta refuses both
            conf.setIfMissing(key, value)
