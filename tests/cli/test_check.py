import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from textclf.cli.check import delta_jars_present, gpu, java

SOURCE = '[[sources]]\nname = "s"\npath = "{path}"\nformat = "tsv"\ncolumns = ["text", "label"]\n'


def verdicts(out: str) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in map(json.loads, out.splitlines())}


def test_everything_in_order(textclf: Run, write_config: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("good\t1\n")
    code, out, _ = textclf("check", "--config", write_config(SOURCE.format(path=tmp_path / "a.tsv")), "--json")
    found = verdicts(out)
    assert (code, "wrong" in found.values()) == (0, False)
    assert set(found) >= {
        "pipeline file",
        "Java",
        "Spark",
        "Delta",
        "GPU",
        "tensorflow",
        "source s",
        "warehouse",
        "models",
        "models folder",
    }


def test_a_wrong_pipeline_file_is_listed_with_the_rest(textclf: Run, write_config: Callable[[str], Path]) -> None:
    code, out, _ = textclf("check", "--config", write_config('colour = "blue"\n'))
    assert code == 2
    assert "colour: unknown key" in out
    assert "sources: missing" in out
    assert "Java" in out


def test_what_cannot_be_reached_is_named_with_its_cure(
    textclf: Run, write_config: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "warehouse").write_text("a file where the folder should be")
    code, out, _ = textclf("check", "--config", write_config(SOURCE.format(path=tmp_path / "absent-*.tsv")))
    assert code == 3
    assert f"no files at {tmp_path}/absent-*.tsv" in out
    assert "what to do: correct the path of the source" in out
    assert "name another warehouse" in out


@pytest.mark.parametrize("slashes", ["/", "///"])
def test_urls_are_left_to_spark(
    textclf: Run, write_config: Callable[[str], Path], tmp_path: Path, slashes: str
) -> None:
    url = f"file:{slashes}{str(tmp_path).lstrip('/')}"
    asked = f'models = "{url}/models"\n{SOURCE.format(path=f"{url}/a.tsv")}[score]\ninput = "{url}/input"\n'
    code, out, _ = textclf("check", "--config", write_config(asked))
    assert code == 0
    assert f"{url}/a.tsv: only Spark can tell" in out
    assert "models folder" not in out
    assert f"nothing at {url}" not in out
    assert not list(tmp_path.glob("file:*"))


@pytest.mark.parametrize(
    ("keys", "name", "words"),
    [
        ('models = "{file}/models"', "models folder", "another folder under models"),
        ('[metrics]\nfile = "{file}/{{job}}.prom"', "metrics file", "another file under [metrics]"),
        ('[nightly]\nstatus = "{file}/nightly.json"', "status file", "another status under [nightly]"),
    ],
)
def test_where_nothing_can_be_written_is_named_with_its_cure(
    textclf: Run, write_config: Callable[[str], Path], tmp_path: Path, keys: str, name: str, words: str
) -> None:
    (tmp_path / "a.tsv").write_text("good\t1\n")
    (tmp_path / "file").write_text("a file where a folder should be")
    source, asked = SOURCE.format(path=tmp_path / "a.tsv"), keys.format(file=tmp_path / "file")
    config = write_config(f"{asked}\n{source}" if asked.startswith("models") else f"{source}{asked}\n")

    code, out, _ = textclf("check", "--config", config, "--json")

    found = {check["name"]: check for check in map(json.loads, out.splitlines())}
    assert (code, found[name]["verdict"]) == (3, "wrong")
    assert found[name]["found"] == f"{tmp_path / 'file'}: Not a directory"
    assert words in found[name]["fix"]


def test_a_machine_without_java_jars_or_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEXTCLF_JARS", str(tmp_path))
    assert delta_jars_present().verdict == "wrong"
    assert "textclf.spark.launch.provision" in delta_jars_present().fix
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu().verdict == "note"
    assert "install NVIDIA's driver" in gpu().fix
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'; exit 18\n")
    os.chmod(fake, 0o755)
    assert "mismatch" in gpu().found
    monkeypatch.setattr("textclf.spark.java._HOMES", ())
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert java().verdict == "wrong"
    assert "apt-get install" in java().fix


def test_files_are_counted_as_ingest_reads_them(
    textclf: Run, write_config: Callable[[str], Path], tmp_path: Path
) -> None:
    root = tmp_path / "data [1]"
    for name in ("a.tsv", "_c.tsv", "2025/b.tsv", "k=1/c.tsv", ".git/config", "{x}/d.tsv", "a1.tsv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1\tx\n")

    def found(path: str, keys: str = "") -> str:
        return textclf("check", "--config", write_config(f"{SOURCE.format(path=path)}\n{keys}"))[1]

    assert "5 files, 20 bytes, tsv; 1 file and 1 folder skipped" in found(str(root))
    assert ": .git/, _c.tsv" in found(str(root))
    assert "3 files" in found(str(root), "recursive = false")
    escaped = str(root).replace("[", "\\\\[").replace("]", "\\\\]")
    assert "2 files" in found(f"{escaped}/a*.tsv")
    assert "2 files" in found(f"{escaped}/{{a,2025/b}}.tsv")
    assert "1 file," in found(f"{root}/{{x}}/d.tsv")
    assert "does not begin with _ or ." in found(f"{root}/_c.tsv")
    (root / "10:30.tsv").write_text("x")
    assert "a file with a colon in its name" in found(str(root))
