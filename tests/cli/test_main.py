"""The command line as a whole: imports, errors and shell completion."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from tests.cli.conftest import Run
from textclf.artifact import ModelStore
from textclf.cli.completion import SHELLS
from textclf.cli.main import parser

HEAVY = ("pyspark", "pandas", "tensorflow", "keras", "jax", "numba", "matplotlib", "pyarrow", "numpy", "pydantic")


def loaded(code: str) -> set[str]:
    """Run code in a new process and return the heavy modules that it has loaded."""
    after = f"{code}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", after], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_and_import_load_nothing_heavy() -> None:
    ask = "import textclf\nfrom textclf.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit: pass"
    assert loaded(ask) == set()


def test_predict_loads_neither_spark_nor_tensorflow_nor_pandas(store: ModelStore) -> None:
    argv = ["predict", "good", "--models", store.root, "--model", "yelp", "--evidence"]
    ask = f"from textclf.cli.main import main\nassert main({argv}) == 0"
    assert not loaded(ask) & {"pyspark", "pandas", "tensorflow", "keras", "jax", "matplotlib"}


def imported(*argv: object) -> set[str]:
    """Return the modules that a command imports in a process of its own, whether they are found or not."""
    command = [sys.executable, "-X", "importtime", "-m", "textclf", *map(str, argv)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_a_list_of_models_loads_nothing_that_scores(store: ModelStore) -> None:
    found = imported("models", "list", "--models", store.root)
    assert "pyarrow.fs" in found
    others = {"textclf.cli.check", "textclf.cli.query"}
    unneeded = {"textclf.artifact.artifact", "textclf.models", "safetensors", "pyarrow.compute", "pandas", "pyspark"}
    assert not found & (unneeded | others)


def test_a_query_loads_no_pandas(tmp_path: Path, write_config: Callable[[str], Path]) -> None:
    deltalake.write_deltalake(str(tmp_path / "warehouse" / "corpus"), pa.table({"id": [1, 2]}))
    config = write_config('[[sources]]\nname = "s"\npath = "x.tsv"\nformat = "tsv"\ncolumns = ["text", "label"]\n')
    found = imported("query", "--config", config, "SELECT count(*) FROM corpus")
    assert {"duckdb", "pyarrow.dataset"} <= found
    # Arrow asks for pandas, and is told that there is none.
    assert not {name for name in found if name.startswith(("pandas.", "pyspark", "safetensors"))}


def test_the_module_runs_as_the_script_does(store: ModelStore) -> None:
    command = [sys.executable, "-m", "textclf", "models", "list", "--models", store.root]
    assert "yelp" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_commands_take_and_show_all_texts_in_narrow_encodings(store: ModelStore, variables: dict[str, str]) -> None:
    command = [sys.executable, "-m", "textclf", "predict", "--models", store.root, "--model", "yelp"]
    environ = os.environ | variables

    done = subprocess.run(command, input="good gööd 東\n".encode(), env=environ, capture_output=True, check=True)
    assert b"good" in done.stdout
    done = subprocess.run([*command, "good gööd 東", "--json"], env=environ, capture_output=True, check=True)
    assert json.loads(done.stdout)["text"] == "good gööd 東"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("predict", "a"), 2, "one of the arguments --config --models is required"),
        (("predict", "a", "--config", "absent.toml"), 2, "The pipeline file absent.toml cannot be read."),
        (("predict", "a", "--models", "absent"), 3, "There are no models."),
        (("nothing",), 2, "invalid choice: 'nothing'"),
    ],
)
def test_mistakes_have_codes_and_say_what_to_do(textclf: Run, argv: tuple[str, ...], code: int, words: str) -> None:
    found, out, err = textclf(*argv)
    assert (found, out) == (code, "")
    assert words in err


def documented() -> list[str]:
    """Return the commands in the fenced blocks of README and docs/manual/command-line.md."""
    root = Path(__file__).parents[2]
    texts = [(root / name).read_text() for name in ("README.md", "docs/manual/command-line.md")]
    blocks = [block for text in texts for block in text.split("```\n")[1::2]]
    return [line for block in blocks for line in block.splitlines() if line.startswith("textclf ")]


def test_documented_commands_are_commands() -> None:
    assert len(documented()) >= 9
    for line in documented():
        parser().parse_args(shlex.split(line, comments=True)[1:])


def complete(script: Path, line: str) -> list[str]:
    words = line.split(" ")
    state = f"COMP_WORDS=({' '.join(words[:-1])} '{words[-1]}'); COMP_CWORD={len(words) - 1}"
    ask = f"source {script}; {state}; _shtab_textclf; echo ${{COMPREPLY[@]}}"
    return subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_actions_and_options(textclf: Run, tmp_path: Path) -> None:
    code, out, _ = textclf("completion", "bash")
    script = tmp_path / "completion"
    script.write_text(out)
    assert code == 0
    assert complete(script, "textclf mo") == ["models"]
    assert complete(script, "textclf models ro") == ["roll-back"]
    assert complete(script, "textclf models compare --mo") == ["--models"]
    assert set(complete(script, "textclf predict --")) >= {"--config", "--models", "--evidence", "--json"}
    assert complete(script, f"textclf check --config {tmp_path}/comp") == [str(script)]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_completes_without_start_files(textclf: Run, tmp_path: Path) -> None:
    code, out, _ = textclf("completion", "zsh")
    assert code == 0
    (tmp_path / "completion").write_text(out)
    ask = f'eval "$(cat {tmp_path / "completion"})"; print -r -- $_comps[textclf]'
    command = ["zsh", "--no-rcs", "-c", ask]
    done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "_shtab_textclf"
    assert done.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_all_commands_and_options(textclf: Run, shell: str) -> None:
    code, out, _ = textclf("completion", shell)
    assert code == 0
    for words in ("models", "predict", "query", "init", "check", "roll-back", "evidence"):
        assert words in out


def test_a_reader_that_has_seen_enough_is_no_error(store: ModelStore) -> None:
    command = f"yes good | {sys.executable} -m textclf predict --model yelp --models {store.root} | head -2"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 2
    assert done.stderr == ""
