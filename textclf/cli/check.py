"""``textclf check``: check whether a pipeline file can run here, and say how to fix what is wrong."""

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclf.cli.output import write_json, write_lines
from textclf.cli.source_check import Check, source_readable
from textclf.errors import ConfigError, InputError, TextclfError

if TYPE_CHECKING:
    from textclf.config import Pipeline

FAILED = 3
_OF_SPARK = {
    "hdfs", "webhdfs", "viewfs", "ofs", "s3", "s3a", "s3n", "gs", "abfs", "abfss", "wasb", "wasbs", "oss", "cosn",
}  # fmt: skip
"""Schemes of URLs that Spark may open where Arrow cannot."""
_GPU_BUILD = "make setup TENSORFLOW=gpu; without make: pip uninstall tensorflow-cpu, then pip install 'textclf[gpu]'"
_GPU_QUERY = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]


def add(commands: Any) -> None:
    """Add the command."""
    about = "Check the pipeline file, Java, Spark, Delta, GPU, sources and warehouse, and say how to fix each."
    made = commands.add_parser("check", help="check whether a pipeline file can run here", description=about)
    made.add_argument("--config", required=True, metavar="FILE", help="the pipeline file (TOML)")
    made.add_argument(
        "--spark", action="store_true", help="also start Spark, write a Delta table and try the storage (half a minute)"
    )
    made.add_argument("--full", action="store_true", help="read each source to its end, not only its first 16 MiB")
    made.add_argument("--json", action="store_true", help="print one JSON object per check")
    made.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run all checks and print them.

    Returns:
        Exit code: 2 for a wrong pipeline file, 3 when anything else is wrong, otherwise 0.
    """
    from textclf.config import load_pipeline

    pipeline, mistake = None, None
    try:
        pipeline = load_pipeline(args.config)
        _show(Check("pipeline file", "ok", f"{args.config}: {len(pipeline.sources)} sources"), args.json)
    except ConfigError as error:
        mistake = error
        fix = "correct the file; docs/manual/pipeline-file.md lists every key"
        _show(Check("pipeline file", "wrong", error.problem, fix), args.json)
    wrong = False
    for check in _checks(pipeline, with_spark=args.spark, full=args.full):
        _show(check, args.json)
        wrong = wrong or check.verdict == "wrong"
    if mistake is not None:
        return mistake.exit_code
    return FAILED if wrong else 0


def _show(check: Check, as_json: bool) -> None:
    import sys

    from textclf.common.secrets import masked

    files = tuple(map(masked, check.files))
    check = replace(check, found=masked(check.found), fix=masked(check.fix), files=files)
    if as_json:
        write_json(asdict(check))
        return
    first, *more = check.lines()
    lines = [f"{check.verdict:6}{check.name:<23} {first}", *(f"{'':30}{line}" for line in more)]
    lines += [f"{'':30}what to do: {check.fix}"] if check.fix else []
    write_lines("\n".join(lines))
    sys.stdout.flush()  # the next check may take a while


def _checks(pipeline: "Pipeline | None", *, with_spark: bool, full: bool) -> Iterator[Check]:
    """Yield all checks; those that need a pipeline file are left out without one."""
    yield from (java(), spark_package(), delta_jars_present(), companion_present(), class_archive(), gpu())
    if pipeline is None:
        return
    yield engine(pipeline)
    yield from (source_readable(source, pipeline.ingest.limit(source), full=full) for source in pipeline.sources)
    yield warehouse_writable(pipeline)
    if not with_spark:
        yield models_readable(pipeline, through_spark=False)
    yield from places_writable(pipeline)
    yield input_there(pipeline)
    if pipeline.mlflow is not None:
        yield installed("mlflow", "mlflow", "[mlflow] in the pipeline file")
    elif (pipeline.score.model or "").startswith("models:"):
        yield installed("mlflow", "mlflow", "[score] model in the pipeline file")
    if with_spark:
        started = spark_starts(pipeline)
        yield started
        if started.verdict == "ok":
            yield from storages_work(pipeline)
        yield models_readable(pipeline, through_spark=started.verdict == "ok")


def java() -> Check:
    """Check for a Java that Spark can run on."""
    from textclf.spark.java import MINIMUM, find_java, java_version

    home = find_java()
    if home is None:
        found = f"no Java {MINIMUM} or later; JAVA_HOME={os.environ.get('JAVA_HOME', '')!r}"
        return Check("Java", "wrong", found, "sudo apt-get install openjdk-17-jre-headless, or set JAVA_HOME")
    return Check("Java", "ok", f"{java_version(home)} in {home}")


def spark_package() -> Check:
    """Check for the Spark release that Delta's jars are built for."""
    from importlib.metadata import PackageNotFoundError, version

    from textclf.common.spark_settings import spark_home
    from textclf.spark.jars import SPARK_VERSION

    try:
        found = version("pyspark")
    except PackageNotFoundError:
        return Check("Spark", "wrong", "the package pyspark is not installed", f"pip install pyspark=={SPARK_VERSION}")
    if found != SPARK_VERSION:
        return Check("Spark", "wrong", f"pyspark {found}", f"pip install pyspark=={SPARK_VERSION}")
    home = spark_home()
    if not (home / "jars").is_dir():
        return Check("Spark", "wrong", f"no jars in {home}", "set SPARK_HOME to a Spark installation, or unset it")
    return Check("Spark", "ok", f"{found} in {home}")


def delta_jars_present() -> Check:
    """Check for Delta's jars in the environment: with them, a session needs no network."""
    from textclf.common.spark_settings import spark_home
    from textclf.spark.jars import delta_jars, jar_folder

    jars = [jar for jar in (*delta_jars(), *spark_home().glob("jars/*.jar")) if jar.name.startswith("delta-spark")]
    if not jars:
        fix = "run python -m textclf.spark.launch.provision, or set TEXTCLF_JARS to a folder with them"
        return Check("Delta", "wrong", f"no jars in {jar_folder()}", fix)
    return Check("Delta", "ok", f"{jars[0].name} in {jars[0].parent}")


def companion_present() -> Check:
    """Check for the jar of this package, without which tables work on a local disk only."""
    from textclf.spark.companion import companion_jars
    from textclf.spark.jars import jar_folder

    found = companion_jars()
    if not found:
        return Check(
            "companion",
            "note",
            f"no jar of this package in {jar_folder()}: tables work on a local disk only",
            "run python -m textclf.spark.launch.provision",
        )
    return Check("companion", "ok", f"{found[0].name} in {found[0].parent}")


def class_archive() -> Check:
    """Check for the class data archive with which the JVM of a driver starts fast; jobs run without it, too."""
    from textclf.spark.java import find_java
    from textclf.spark.launch.class_archive import FOLDER, find_archive
    from textclf.spark.submit_options import given_settings

    home = find_java()
    if home is None:
        return Check("class archive", "note", "none without Java", "")
    try:
        found = find_archive(home, given_settings())
    except TextclfError as error:  # in the options for spark-submit
        return Check("class archive", "note", str(error), "")
    if found.path is not None:
        return Check("class archive", "ok", f"{found.path.name} in {found.path.parent}")
    if found.missing:
        fix = "nothing: the next job has it made, or run python -m textclf.spark.launch.class_dump"
    else:
        fix = f"nothing, if that is meant; {FOLDER} names another folder"
    return Check("class archive", "note", f"none, so jobs start more slowly: {found.why_not}", fix)


def gpu() -> Check:
    """Report the GPUs of this machine; to have no GPU is not an error."""
    from textclf.spark.environments import CPU, tensorflow_builds

    if shutil.which(_GPU_QUERY[0]) is None:
        fix = "if this machine has a GPU, install NVIDIA's driver, which includes nvidia-smi; otherwise nothing"
        return Check("GPU", "note", "no nvidia-smi here: networks are trained on the CPU", fix)
    try:
        done = subprocess.run(_GPU_QUERY, capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return Check("GPU", "note", "nvidia-smi does not answer", "check the driver: dmesg | grep -i nvidia")
    if done.returncode:
        said = (done.stdout + done.stderr).strip() or "nvidia-smi failed"
        return Check(
            "GPU", "note", said, "install the driver for this machine's kernel; until then networks use the CPU"
        )
    if tensorflow_builds() == [CPU]:
        found = f"{done.stdout.strip()}; TensorFlow is the build for CPUs, which does not use it"
        return Check("GPU", "note", found, _GPU_BUILD)
    return Check("GPU", "ok", done.stdout.strip() or "none")


def engine(pipeline: "Pipeline") -> Check:
    """Check for the engine that Keras trains on."""
    name = pipeline.train.keras_backend
    return installed(name, "jax" if name == "jax" else None, f"keras_backend = {name!r}")


def installed(module: str, extra: str | None, why: str) -> Check:
    """Check for a package that the pipeline file needs, without importing it."""
    from importlib.util import find_spec

    from textclf.spark.environments import package_version

    if find_spec(module) is None:
        package = f"'textclf[{extra}]'" if extra else module
        return Check(module, "wrong", f"not installed, but needed for {why}", f"pip install {package}")
    return Check(module, "ok", f"{package_version(module)}, for {why}")


def warehouse_writable(pipeline: "Pipeline") -> Check:
    """Check that a file can be written to the warehouse, or that its folder can be created."""
    from textclf.common.file_systems import is_url

    if pipeline.warehouse is None:
        return Check("warehouse", "note", f"schema {pipeline.schema_name}: only Spark can tell", "check with --spark")
    if is_url(pipeline.warehouse):
        return Check("warehouse", "note", f"{pipeline.warehouse}: only Spark can tell", "check with --spark")
    return folder_writable("warehouse", Path(pipeline.warehouse), "another warehouse")


def places_writable(pipeline: "Pipeline") -> Iterator[Check]:
    """Check the other folders that jobs write to, where they are on this machine."""
    from textclf.common.file_systems import is_url

    if not is_url(pipeline.models_folder):
        yield folder_writable("models folder", Path(pipeline.models_folder), "another folder under models")
    if pipeline.metrics.file is not None:
        yield folder_writable("metrics file", Path(pipeline.metrics.file).parent, "another file under [metrics]")
    if pipeline.nightly.status is not None and not is_url(pipeline.nightly.status):
        yield folder_writable("status file", Path(pipeline.nightly.status).parent, "another status under [nightly]")


def folder_writable(name: str, given: Path, other: str) -> Check:
    """Check that a file can be written to a folder, or that the folder can be created.

    Args:
        other: What to name in the pipeline file instead, for the message of a failed check.
    """
    folder = given.absolute()
    there = folder
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except (OSError, ValueError) as error:  # ValueError: U+0000 in the path
        fix = f"give this user write permission (chmod u+w {there}), or name {other}"
        return Check(name, "wrong", f"{there}: {getattr(error, 'strerror', None) or error}", fix)
    new = "" if there == folder else ", which the first job creates"
    return Check(name, "ok", f"{folder}{new}; {free / 2**30:,.0f} GiB free")


def models_readable(pipeline: "Pipeline", *, through_spark: bool) -> Check:
    """Report the trained models; before the first training there are none, which is not an error."""
    from textclf.artifact import ModelStore
    from textclf.common.file_systems import on_default_storage

    location = on_default_storage(pipeline.models_folder)
    try:
        store = ModelStore(location)
        names = [f"{name}@{store.champion(name) or '-'}" for name in store.names()]
    except InputError as error:
        if not through_spark and location.partition(":")[0] in _OF_SPARK:
            found = f"{pipeline.models_folder}: not without Spark: {error.received or error.problem}"
            return Check("models", "note", found, "check with --spark")
        fix = "correct models in the pipeline file, or the permissions of that folder"
        return Check("models", "wrong", f"{pipeline.models_folder}: {error.received or error.problem}", fix)
    if not names:
        return Check("models", "note", "none yet", "run train_model or search_models before score_table")
    return Check("models", "ok", f"{', '.join(names)} in {store.root}")


def input_there(pipeline: "Pipeline") -> Check:
    """Check that the table to score exists, where that can be told without Spark."""
    from textclf.common.file_systems import is_url

    given = pipeline.score.input
    if given is None:
        return Check("table to score", "note", "none in the pipeline file", "run score_table with --input TABLE")
    if is_url(given) or Path(given).exists():
        return Check("table to score", "ok", given)
    made = pipeline.warehouse is not None and Path(given).parent.absolute() == Path(pipeline.warehouse).absolute()
    fix = "run ingest_corpus, which creates it" if made else "correct input under [score], or name a catalog table"
    return Check("table to score", "note", f"nothing at {given}", fix)


def storages_work(pipeline: "Pipeline") -> Iterator[Check]:
    """Try the storage of tables and that of models, where they are not one, through Spark."""
    from textclf.cli.storage_check import storage_works
    from textclf.storage import Warehouse

    warehouse = Warehouse.of(pipeline)
    if warehouse.root is not None:
        yield storage_works("storage", warehouse.root)
    if warehouse.root is None or not warehouse.models.startswith(warehouse.root.rstrip("/") + "/"):
        yield storage_works("storage of models", warehouse.models)


def spark_starts(pipeline: "Pipeline") -> Check:
    """Open a session, then write, read and remove a Delta table in the warehouse."""
    from textclf.common.secrets import first_line
    from textclf.spark import open_session
    from textclf.spark.failures import READ_FAILURES
    from textclf.storage import Warehouse, staged

    warehouse = Warehouse.of(pipeline)
    try:
        spark = open_session("textclf check")
        three = spark.range(3).toDF("row")
        with staged(
            spark, warehouse, "check", "rows", lambda place: three.write.format("delta").save(str(place))
        ) as table:
            rows = table.rows.count()
            found = f"Spark {spark.version} wrote and read {rows} rows of a Delta table in the warehouse"
    except TextclfError as error:
        return Check("Spark session", "wrong", str(error))
    except READ_FAILURES as error:
        fix = f"check the permissions of {warehouse.location('corpus')} and the network"
        return Check("Spark session", "wrong", first_line(error), fix)
    return Check("Spark session", "ok", found)
