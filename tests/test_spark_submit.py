"""The wrapper: what it adds to a command line, what it leaves unchanged, and the exit code it returns."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse

import pytest

from tests.commands import assert_quiet
from textclf.spark.jars import COMPANION
from textclf.spark.launch.bundle import project_zip

ROOT = Path(__file__).parents[1]
WRAPPER = ROOT / "spark-submit.sh"
_OURS = ("MASTER", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP", "SPARK_DRIVER_MEMORY", "SPARK_CONF_DIR")
_ENVIRON = {name: value for name, value in os.environ.items() if name not in _OURS} | {"TEXTCLF_PYTHON": sys.executable}


def submit(*words: object, cwd: Path = ROOT, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [str(WRAPPER), *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=_ENVIRON | environ, capture_output=True, text=True, check=False)


def printed(*words: object, cwd: Path = ROOT, **environ: str) -> list[str]:
    """Return the words of the final command: its environment first, and its submit arguments split into words."""
    done = submit(*words, cwd=cwd, TEXTCLF_PRINT_COMMAND="1", **environ)
    assert done.returncode == 0, done.stderr
    mark = "PYSPARK_SUBMIT_ARGS="
    command = shlex.split(done.stdout)
    unpacked = [shlex.split(word.removeprefix(mark)) if word.startswith(mark) else [word] for word in command]
    return [word for words in unpacked for word in words]


def _project(folder: Path) -> Path:
    """Copy the project's own files to another folder."""
    shutil.copytree(ROOT / "textclf", folder / "textclf", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "jobs", folder / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "conf", folder / "conf")
    shutil.copy(WRAPPER, folder)
    return folder


def after(command: list[str], option: str) -> str:
    """Return the value of an option that must occur exactly once."""
    assert command.count(option) == 1, command
    return command[command.index(option) + 1]


def test_modules_of_the_current_directory_are_not_run(tmp_path: Path) -> None:
    for name in ("pyspark", "pydantic", "textclf"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    printed("ingest_corpus", cwd=tmp_path)
    assert not (tmp_path / "ran").exists()


def test_without_arguments_it_prints_its_usage() -> None:
    done = submit()

    assert done.returncode == 2
    assert done.stdout.startswith("Usage: ./spark-submit.sh")


def test_help_lists_the_jobs() -> None:
    done = submit("--help")

    assert done.returncode == 0
    listed = next(line for line in done.stdout.splitlines() if line.startswith("Jobs: "))
    assert {"ingest_corpus", "nightly", "score_table"} <= set(listed.removeprefix("Jobs: ").split(", "))


def test_an_unknown_job_names_the_known_ones() -> None:
    done = submit("ingest_corpsu", "--config", "x")

    assert done.returncode == 2
    assert "received: ingest_corpsu" in done.stderr
    assert "ingest_corpus" in done.stderr


def test_options_without_a_job_are_refused() -> None:
    assert submit("--master", "local[1]").returncode == 2


def test_an_option_without_its_value_is_refused() -> None:
    done = submit("--driver-memory")

    assert done.returncode == 2
    assert "received: --driver-memory" in done.stderr


def test_a_missing_properties_file_is_refused() -> None:
    assert submit("--properties-file", "nowhere.conf", "ingest_corpus").returncode == 2


def test_what_follows_the_job_is_the_jobs_alone() -> None:
    command = printed("ingest_corpus", "--config", "a b.toml", "--master", "not-ours")

    assert command[-5:] == [str(ROOT / "jobs" / "ingest_corpus.py"), "--config", "a b.toml", "--master", "not-ours"]
    assert command[command.index("--master") + 1] == "local[*]"


def test_options_come_through_word_for_word() -> None:
    given = [
        "--supervise",
        "-v",
        "--conf",
        "spark.a=x y",
        "--conf=spark.b=1",
        "--name",
        "a job",
        "--queue",
        "ingest_corpus",
    ]

    command = printed(*given, "ingest_corpus", "--config", "x")

    start = command.index("--supervise")
    assert command[start : start + len(given)] == given


def test_local_by_default_on_loopback_with_memory() -> None:
    command = printed("ingest_corpus")

    assert after(command, "--master") == "local[*]"
    assert "SPARK_LOCAL_IP=127.0.0.1" in command
    assert "SPARK_DRIVER_MEMORY=2g" in command


@pytest.mark.parametrize(
    "given", [["--driver-memory", "5g"], ["--driver-memory=5g"], ["--conf", "spark.driver.memory=5g"]]
)
def test_driver_memory_that_was_given_stays(given: list[str]) -> None:
    assert "SPARK_DRIVER_MEMORY=2g" not in printed(*given, "ingest_corpus")


@pytest.mark.parametrize(
    "line", ["spark.master spark://a:1", "spark.master=spark://a:1", "  spark.master   spark://a:1 "]
)
def test_the_master_of_a_properties_file_counts(tmp_path: Path, line: str) -> None:
    (tmp_path / "a file.conf").write_text(f"# a comment\n\n{line}\n")

    command = printed("--properties-file", tmp_path / "a file.conf", "ingest_corpus", PYSPARK_PYTHON="python3")

    assert "--master" not in command
    assert "SPARK_LOCAL_IP=127.0.0.1" not in command


def test_the_master_of_a_setting_and_of_the_environment_count() -> None:
    assert "--master" not in printed("--conf", "spark.master=yarn", "ingest_corpus")
    assert after(printed("ingest_corpus", MASTER="yarn"), "--master") == "yarn"


@pytest.mark.parametrize("conf", sorted((ROOT / "conf").glob("spark-*.conf")), ids=lambda path: path.stem)
def test_the_settings_in_conf_are_accepted(conf: Path) -> None:
    printed("--properties-file", conf, "ingest_corpus", PYSPARK_PYTHON="python3")


@pytest.mark.parametrize("master", ["yarn", "k8s://https://host:6443", "spark://host:7077"])
def test_a_cluster_gets_the_project_and_the_python_environment(master: str) -> None:
    command = printed("--master", master, "score_table")

    archive = after(command, "--archives")
    assert archive.startswith((ROOT / "build").as_uri())
    assert archive.endswith(".tar.gz#environment")
    assert "PYSPARK_PYTHON=./environment/bin/python" in command
    assert "/build/textclf-" in after(command, "--py-files")
    assert "delta-spark" in after(command, "--jars")
    assert "SPARK_LOCAL_IP=127.0.0.1" not in command


def test_in_cluster_mode_the_driver_uses_the_archive_too() -> None:
    command = printed("--master", "yarn", "--deploy-mode", "cluster", "ingest_corpus")

    assert "spark.yarn.appMasterEnv.PYSPARK_PYTHON=./environment/bin/python" in command
    assert command[-1] == str(ROOT / "jobs" / "ingest_corpus.py")
    assert any(word.endswith("/bin/spark-submit") for word in command)


def test_on_yarn_the_pipeline_file_travels_with_a_driver_there(write_config: Callable[[str], Path]) -> None:
    config = write_config('[[sources]]\nname = "a"\npath = "/a.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n')
    given = ["--master", "yarn", "--deploy-mode", "cluster", "--files", "mine.txt"]

    command = printed(*given, "ingest_corpus", "--config", config)

    assert command[-2:] == ["--config", "pipeline.toml"]
    assert command[len(command) - 1 - command[::-1].index("--files") + 1] == f"mine.txt,{config.as_uri()}#pipeline.toml"
    assert "spark.yarn.maxAppAttempts=1" in command
    assert "spark.textclf.environment=lean" in command
    assert "/environment-lean-" in after(command, "--archives")


def test_on_yarn_a_wrong_pipeline_file_is_refused_here(tmp_path: Path) -> None:
    done = submit(
        "--master", "yarn", "--deploy-mode", "cluster", "ingest_corpus", "--config", tmp_path / "nowhere.toml"
    )

    assert done.returncode == 2
    assert "nowhere.toml cannot be read" in done.stderr


@pytest.mark.parametrize(
    "given", [["--conf", "spark.pyspark.python=/opt/python"], ["--archives", "mine.tar.gz#environment"]]
)
def test_a_python_that_was_given_stays(given: list[str]) -> None:
    command = printed("--master", "yarn", *given, "ingest_corpus")

    assert not any("build/environment-" in word for word in command)


def test_lists_that_were_given_are_kept_and_extended() -> None:
    lists = ("--py-files", "mine.py", "--conf", "spark.jars=mine.jar")
    command = printed("--master", "spark://host:7077", *lists, "ingest_corpus")

    assert command[len(command) - 1 - command[::-1].index("--py-files") + 1].startswith("mine.py,file:")
    assert after(command, "--jars").startswith("mine.jar,file:")
    # In one process the session puts Delta's jars on the class path.
    assert "--jars" not in printed(*lists, "ingest_corpus")


def test_the_python_of_a_setting_reaches_the_executors() -> None:
    assert "PYSPARK_PYTHON=/opt/python" in printed(
        "--master", "yarn", "--conf", "spark.pyspark.python=/opt/python", "ingest_corpus"
    )


def test_delta_that_was_given_is_not_added_again() -> None:
    words = printed("--packages", "io.delta:delta-spark_4.2_2.13:4.4.0", "ingest_corpus")
    assert [COMPANION in jar for jar in words[words.index("--jars") + 1].split(",")] == [True]


def test_java_options_of_the_driver_stay_the_users() -> None:
    command = printed("--driver-java-options", "-Dmine=1", "ingest_corpus")

    assert after(command, "--driver-java-options") == "-Dmine=1"
    assert any(word.startswith("LOG4J_CONFIGURATION_FILE=file:") for word in command)


def test_the_zip_holds_the_package_and_nothing_else() -> None:
    archive = urlparse(after(printed("ingest_corpus"), "--py-files")).path

    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    assert {"textclf/__init__.py", "textclf/spark/launch/submit.py", "textclf/py.typed"} <= set(names)
    assert {name.partition("/")[0] for name in names} == {"textclf"}


def test_the_zip_leaves_out_what_is_no_source(tmp_path: Path) -> None:
    sources = ["textclf/a.py", "textclf/b/page.html", "textclf/py.typed"]
    others = ["a.py", "tests/test_a.py", "textclf/__pycache__/a.cpython-311.pyc", "textclf/notes.txt", "textclf/.a.swp"]
    for name in sources + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    with zipfile.ZipFile(project_zip(tmp_path)) as opened:
        assert sorted(opened.namelist()) == sources


def test_a_zip_is_made_anew_when_sources_change(tmp_path: Path) -> None:
    (tmp_path / "textclf").mkdir()
    (tmp_path / "textclf" / "__init__.py").write_text("A = 1\n")
    first = project_zip(tmp_path)
    made = first.stat().st_mtime_ns

    again = project_zip(tmp_path)
    (tmp_path / "textclf" / "__init__.py").write_text("A = 2\n")
    changed = project_zip(tmp_path)

    assert again == first
    assert again.stat().st_mtime_ns == made
    assert changed != first
    assert sorted(path.name for path in (tmp_path / "build").glob("*.zip")) == sorted([first.name, changed.name])


def test_a_checkout_of_another_user_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = tmp_path / "project"
    (project / "textclf").mkdir(parents=True)
    (project / "textclf" / "__init__.py").write_text("A = 1\n")
    (project / "build").write_text("a file here keeps root, too, from writing")

    archive = project_zip(project)

    assert archive.parent == tmp_path / "cache" / "textclf" / "build"
    assert project_zip(project) == archive
    assert sorted(path.name for path in project.iterdir()) == ["build", "textclf"]


def test_what_the_owner_of_a_checkout_has_made_serves_others(tmp_path: Path) -> None:
    (tmp_path / "textclf").mkdir()
    (tmp_path / "textclf" / "__init__.py").write_text("A = 1\n")
    made = project_zip(tmp_path)
    (tmp_path / "build" / ".lock").unlink()
    (tmp_path / "build" / ".lock").mkdir()  # cannot be opened by any user

    assert project_zip(tmp_path) == made


def test_the_settings_given_are_those_of_the_session(tmp_path: Path) -> None:
    project = _project(tmp_path / "project")
    (project / "jobs" / "show.py").write_text(
        "from textclf.spark import open_session\n"
        "import sys\n"
        "spark = open_session('show')\n"
        "print(spark.conf.get('spark.sql.shuffle.partitions'), spark.sparkContext.master, sys.argv[1:])\n"
        "sys.exit(7)\n"
    )
    options = ["--master", "local[1]", "--conf", "spark.sql.shuffle.partitions=3"]
    command: list[str | Path] = [project / "spark-submit.sh", *options, "show", "a b"]

    done = subprocess.run(command, env=_ENVIRON, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-1] == "3 local[1] ['a b']"
    assert done.returncode == 7


def test_a_missing_pipeline_file_exits_with_2(tmp_path: Path) -> None:
    done = submit("--master", "local[1]", "ingest_corpus", "--config", "nowhere.toml", cwd=tmp_path)

    assert done.returncode == 2
    assert "nowhere.toml cannot be read" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "failed"


def test_an_unusable_input_exits_with_3(write_config: Callable[[str], Path], tmp_path: Path) -> None:
    config = write_config(
        '[[sources]]\nname = "a"\npath = "nowhere.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n'
    )

    done = submit("--master", "local[1]", "ingest_corpus", "--config", config, cwd=tmp_path)

    assert done.returncode == 3, done.stderr
    assert "nowhere.tsv" in done.stderr


ANY_NAME = "a project, [x] {y} \\z %41 #h ?q *s 'q' \"d\" é東;&@!$(~)"


def test_the_options_for_spark_name_no_folder_that_it_would_read_something_into(tmp_path: Path) -> None:
    project = _project(tmp_path / ANY_NAME)
    command: list[str | Path] = [project / "spark-submit.sh", "--master", "yarn"]
    command += ["ingest_corpus", "--config", "x é.toml"]
    jars = tmp_path / ANY_NAME / "jars"
    jars.mkdir()
    (jars / "delta-spark.jar").write_text("")
    environ = _ENVIRON | {"TEXTCLF_PRINT_COMMAND": "1", "TEXTCLF_JARS": str(jars), "PYTHONIOENCODING": "ascii"}

    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, encoding="utf-8")

    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout)
    assert words[-1] == "x é.toml"
    given = shlex.split(next(word for word in words if word.startswith("PYSPARK_SUBMIT_ARGS=")).partition("=")[2])
    for option in ("--py-files", "--jars", "--archives"):
        assert not set(",[]{}\\%#?*'\"") & set(given[given.index(option) + 1].removesuffix("#environment")), option
    link = Path(urlparse(given[given.index("--py-files") + 1]).path)
    assert link.resolve().parent == project / "build"
    with zipfile.ZipFile(link) as opened:
        assert "textclf/__init__.py" in opened.namelist()


def test_a_project_in_a_folder_with_a_colon_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    shutil.copy(WRAPPER, tmp_path / "a:b")

    done = subprocess.run(
        [tmp_path / "a:b" / "spark-submit.sh", "ingest_corpus"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert f"whose path has a colon: {tmp_path}/a:b" in done.stderr
    assert os.listdir(tmp_path / "a:b") == ["spark-submit.sh"]


@pytest.mark.parametrize(
    ("master", "given", "setting", "expected"),
    [
        ("yarn", {"LANG": "C.utf8"}, "spark.yarn.appMasterEnv.LC_ALL", "C.utf8"),
        ("yarn", {"LC_ALL": "C"}, "spark.yarn.appMasterEnv.LC_ALL", "C.UTF-8"),
        ("k8s://https://h:1", {"LC_ALL": "de_DE.UTF-8"}, "spark.kubernetes.driverEnv.LC_ALL", "C.UTF-8"),
    ],
)
def test_drivers_of_a_cluster_get_a_locale_that_they_most_likely_have(
    master: str, given: dict[str, str], setting: str, expected: str
) -> None:
    environ = {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""} | given

    command = printed("--master", master, "--deploy-mode", "cluster", "ingest_corpus", cwd=ROOT, **environ)

    assert f"{setting}={expected}" in command


@pytest.mark.long
def test_a_project_in_a_folder_of_any_name_runs_from_anywhere(tmp_path: Path) -> None:
    project = _project(tmp_path / ANY_NAME)
    home = tmp_path / f"some where {ANY_NAME}"
    home.mkdir()
    (home / "reviews file.tsv").write_text("good\t1\nbäd\t0\n", encoding="utf-8")
    (home / "pipe line.toml").write_text(
        'warehouse = "ware house"\n[[sources]]\nname = "a"\npath = "reviews file.tsv"\n'
        'format = "tsv"\ncolumns = ["text", "label"]\n[metrics]\nfile = "figures.prom"\n',
        encoding="utf-8-sig",
    )
    command: list[str | Path] = ["bash", "-c", 'umask 027; exec "$@"', "-", project / "spark-submit.sh"]
    command += ["--master", "local[1]", "ingest_corpus", "--config", "pipe line.toml"]
    environ = _ENVIRON | {"HOME": str(home), "TMPDIR": str(home), "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}

    done = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["input_rows"] == 2
    assert len(done.stdout.splitlines()) == 1  # everything else is on standard error
    assert_quiet(done.stderr)
    assert (home / "ware house" / "corpus" / "_delta_log").is_dir()
    # The tables contain texts, so their modes must follow a umask that excludes other users.
    modes = {path.stat().st_mode & 0o027 for path in (home / "ware house").rglob("*")}
    assert modes | {(home / "figures.prom").stat().st_mode & 0o027} == {0}
