"""``make lint`` reports violations of the project rules; each rule is broken once in a copy of the package."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house_rules import FUNCTION, broken_rules

ROOT = Path(__file__).parents[1]
PACKAGE = "textclf"  # a variable, because dotted names in this file are checked too
LINES = "\n".join(f"    a{number} = {number}" for number in range(FUNCTION))
LONG = f"def long_one() -> int:\n{LINES}\n    return a0"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a copy of the files that the rules check."""
    for folder in ("textclf", "jobs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_this_house_keeps_its_rules() -> None:
    assert list(broken_rules(ROOT)) == []


@pytest.mark.parametrize(
    ("module", "added", "said"),
    [
        ("text/arrow.py", LONG, "long_one has 41 lines"),
        ("text/arrow.py", "x = 0\n" * 401, "expected at most 400"),
        ("text/arrow.py", f'"""See ``{PACKAGE}.tables.runs``."""', ".tables.runs: an old path"),
        ("text/arrow.py", f'"""See ``{PACKAGE}.text.nothing``."""', ".text.nothing: no module"),
        ("text/arrow.py", "x = spark._jvm.org.apache.spark.sql.delta.DeltaLog", "a private JVM class"),
    ],
)
def test_what_breaks_a_rule_is_said_with_its_place(house: Path, module: str, added: str, said: str) -> None:
    path = house / "textclf" / module
    path.write_text(path.read_text() + f"\n\n{added}\n")
    (found,) = broken_rules(house)
    assert found.startswith(f"textclf/{module}:")
    assert said in found


def test_a_long_function_with_a_reason_and_a_full_room(house: Path) -> None:
    path = house / "textclf/text/arrow.py"
    path.write_text(path.read_text() + f"\n\n# long: numba compiles it as one loop.\n{LONG}\n")
    assert list(broken_rules(house)) == []
    for number in range(20):
        (house / f"textclf/quality/check_{number}.py").touch()
    (said,) = broken_rules(house)
    assert said.startswith("textclf/quality:1: 23 modules; expected at most")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("common/logs.py", "import textclf.storage"),
        ("text/arrow.py", "def later() -> None:\n    from textclf.search import trial  # noqa: F401"),
        ("scoring/worker/batch.py", "from textclf.config import Pipeline"),
    ],
)
def test_an_import_that_goes_up_or_reads_the_pipeline_file_on_workers_is_refused(
    house: Path, module: str, line: str
) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    path = house / "textclf" / module
    path.write_text(path.read_text() + f"\n\n{line}\n")
    done = subprocess.run(
        command, cwd=house, env={"PYTHONPATH": str(house)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    assert module.removesuffix(".py").replace("/", ".") in done.stdout
