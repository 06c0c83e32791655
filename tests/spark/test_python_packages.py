"""Set-up installs what the locks pin, with the build of TensorFlow that the machine or the user wants."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.commands import ROOT
from textclf.errors import UsageError
from textclf.spark.environments import CPU, GPU, TENSORFLOW, check_build, package_version, tensorflow_builds
from textclf.spark.launch import python_packages
from textclf.spark.launch.environment import _is_packed
from textclf.spark.launch.python_packages import CPU_LOCK, LOCK, choose_build, has_both_builds, has_gpu, locked

_GPUS = {"spark.executor.resource.gpu.amount": "1"}


def pins(lock: str) -> dict[str, str]:
    """Return the version and the marker of each requirement, and that of repeated names in one."""
    found: dict[str, str] = {}
    for name, pin in re.findall(r"(?m)^([A-Za-z0-9][\w.-]*)==([^\\\n]*)", lock):
        found[name] = f"{found.get(name, '')}{pin.strip()};"
    return found


def install_builds(folder: Path, monkeypatch: pytest.MonkeyPatch, *builds: str) -> None:
    """Make an environment that has nothing but these builds of TensorFlow."""
    for build in builds:
        info = folder / f"{TENSORFLOW[build].replace('-', '_')}-2.21.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {TENSORFLOW[build]}\nVersion: 2.21.0\n")
    monkeypatch.setattr(sys, "path", [str(folder)])


def test_the_locks_differ_in_the_build_alone() -> None:
    cpu, gpu = (pins(locked(ROOT, build)) for build in (CPU, GPU))

    assert cpu.pop("tensorflow-cpu") == gpu.pop("tensorflow")
    assert cpu == gpu
    assert list(pins((ROOT / CPU_LOCK).read_text())) == ["tensorflow-cpu"]
    assert gpu.keys() >= set(python_packages._TOOLS)


def test_each_requirement_has_digests() -> None:
    for name in (LOCK, CPU_LOCK):
        blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", (ROOT / name).read_text())
        assert all("--hash=sha256:" in block for block in blocks if block.strip())


@pytest.mark.parametrize(
    ("asked", "installed", "gpu", "both", "expected"),
    [
        ("", [], False, True, CPU),
        ("", [], True, True, GPU),
        ("", [], False, False, GPU),  # the only build of this machine, which needs no GPU
        ("", [CPU], True, True, CPU),
        ("", [GPU], False, True, GPU),
        ("gpu", [CPU], False, True, GPU),
        ("cpu", [GPU], True, True, CPU),
        ("gpu", [], False, False, GPU),
    ],
)
def test_a_wish_counts_then_what_is_there_then_the_machine(
    asked: str, installed: list[str], gpu: bool, both: bool, expected: str
) -> None:
    assert choose_build(asked, installed, gpu=gpu, both=both) == expected


@pytest.mark.parametrize(("asked", "both"), [("cuda", True), ("cpu", False)])
def test_a_build_that_does_not_exist_is_refused(asked: str, both: bool) -> None:
    with pytest.raises(UsageError, match=f"TENSORFLOW={asked}"):
        choose_build(asked, [], gpu=True, both=both)


def test_a_gpu_shows_by_its_devices_or_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert not has_gpu(tmp_path)
    for number, sign in enumerate(("dev/nvidia0", "proc/driver/nvidia/version")):
        root = tmp_path / str(number)
        (root / sign).parent.mkdir(parents=True)
        (root / sign).touch()
        assert has_gpu(root)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nvidia-smi").touch(0o755)
    assert has_gpu(tmp_path)


def test_machines_with_both_builds_are_those_of_the_release() -> None:
    assert has_both_builds("linux", "x86_64")
    assert not any(has_both_builds(*machine) for machine in (("linux", "aarch64"), ("darwin", "arm64")))


@pytest.mark.parametrize("build", [CPU, GPU])
def test_the_package_requires_the_build_that_is_installed(build: str, tmp_path: Path) -> None:
    environ = os.environ | {python_packages.CHOICE: build}
    command = [sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", str(tmp_path)]

    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)

    required = next(tmp_path.glob("*/requires.txt")).read_text().partition("\n[")[0]
    assert re.findall(r"(?m)^tensorflow[\w-]*", required) == [TENSORFLOW[build]]


def test_the_environment_of_the_tests_has_what_its_packages_require() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert len(tensorflow_builds()) == 1


@pytest.mark.parametrize("build", [CPU, GPU])
def test_the_version_of_tensorflow_is_that_of_either_build(
    build: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_builds(tmp_path, monkeypatch, build)

    assert tensorflow_builds() == [build]
    assert package_version("tensorflow") == "2.21.0"


def test_executors_with_gpus_do_not_get_the_build_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_builds(tmp_path / "gpu", monkeypatch, GPU)
    check_build(_GPUS)
    install_builds(tmp_path / "cpu", monkeypatch, CPU)
    check_build({})

    with pytest.raises(UsageError, match="make setup TENSORFLOW=gpu"):
        check_build(_GPUS)


def test_executors_get_no_installer() -> None:
    assert not any(_is_packed(name, None) for name in ("bin/uv", "bin/uvx"))
    assert _is_packed("bin/python3", None)


def test_uv_looks_where_pip_does(tmp_path: Path) -> None:
    said = (
        "global.cert='/etc/ours.pem'\nglobal.index-url='https://a.example/simple'\n"
        f"install.find-links='\\n{tmp_path}\\nhttps://b.example/wheels\\n/not/there'\n"
        "global.no-index='false'\nglobal.trusted-host='a.example b.example'\nglobal.quiet='1'\n"
        "install.index-url='https://c.example/simple'\n:env:.default-timeout='180'\n"
    )

    variables, options = python_packages.uv_settings(said, {"UV_HTTP_TIMEOUT": "5"})

    assert {
        name: value for name, value in variables.items() if name not in ("UV_INDEX_STRATEGY", "UV_PYTHON_DOWNLOADS")
    } == {
        "SSL_CERT_FILE": "/etc/ours.pem",
        "UV_DEFAULT_INDEX": "https://c.example/simple",
        "UV_FIND_LINKS": f"{tmp_path},https://b.example/wheels",
        "UV_INSECURE_HOST": "a.example b.example",
    }
    assert options == []
    assert python_packages.uv_settings(":env:.no-index='1'\n", {})[1] == ["--no-index"]


def test_a_cache_that_cannot_be_written_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert python_packages._cache(os.environ | {"UV_CACHE_DIR": f"{tmp_path}/file/cache"}) == {"UV_NO_CACHE": "1"}


def test_without_an_index_the_message_says_what_to_check(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    command = [str(tmp_path / "env/bin/python"), "-m", "textclf.spark.launch.python_packages"]

    done = subprocess.run(command, cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "The locked Python packages cannot be installed." in done.stderr
    assert "check the network and `pip config list`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["provision", "--java-home"], ["python_packages", "--help"]])
def test_what_set_up_runs_first_needs_no_package(words: list[str]) -> None:
    module, *rest = words
    command = [sys.executable, "-S", "-m", f"textclf.spark.launch.{module}", *rest]  # -S: without installed packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
