"""Workers import PySpark as it is installed, if Spark's archives are its own."""

import sys
from pathlib import Path

import pyspark
import pytest

from textclf.spark.preload.installed_pyspark import use_installed_pyspark

HOME = str(Path(pyspark.__file__).parents[1])


def archives(home: str) -> list[str]:
    lib = f"{home}/pyspark/python/lib"
    return [f"{lib}/pyspark.zip", f"{lib}/py4j-0.10.9.9-src.zip", f"{home}/pyspark/jars/spark-core_2.13-4.2.0.jar"]


@pytest.mark.parametrize(
    ("path", "left"),
    [
        (["/mine", *archives(HOME), HOME], ["/mine", HOME]),
        ([*archives(HOME), "/mine", HOME, "/mine/pyspark.zip"], ["/mine", HOME, "/mine/pyspark.zip"]),
        ([*archives("/opt/spark"), HOME], [*archives("/opt/spark"), HOME]),  # another Spark
        ([*archives(HOME), "/mine"], [*archives(HOME), "/mine"]),  # which is not installed for this Python
        ([archives(HOME)[0], archives("/opt/spark")[1], HOME], [archives(HOME)[0], archives("/opt/spark")[1], HOME]),
        ([HOME], [HOME]),
    ],
)
def test_only_archives_of_the_installed_package_leave_the_path(
    monkeypatch: pytest.MonkeyPatch, path: list[str], left: list[str]
) -> None:
    monkeypatch.setattr(sys, "path", list(path))

    use_installed_pyspark()

    assert sys.path == left


def test_an_installed_pyspark_without_py4j_leaves_the_archives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark/__init__.py").touch()
    path = [*archives(str(tmp_path)), str(tmp_path)]
    monkeypatch.setattr(sys, "path", list(path))

    use_installed_pyspark()

    assert sys.path == path
