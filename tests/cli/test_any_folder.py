"""Commands work in folders whose names have a meaning to TOML, Delta readers or a shell."""

import json
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from tests.cli.conftest import Run
from textclf.artifact import ModelStore
from textclf.config.load import literal

NAMES = [
    "we,ird [x] {y} \\z %41 #h ?q *s 'q' \"d\" é東;&=+@!$(~) ${HOME}",
    "50% off",
    "a:b",
    "\\\\server\\share",
    "100%25",
]


@pytest.mark.parametrize("name", NAMES)
def test_commands_work_in_any_folder(
    textclf: Run, store: ModelStore, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / name
    place.mkdir()
    name = name.replace(":", "-")  # Hadoop cannot open local files with a colon in the name
    deltalake.write_deltalake(tmp_path / "plain", pa.table({"label": ["1", "0", "1"]}))
    (place / "ware").mkdir()
    (tmp_path / "plain").rename(place / "ware" / "results")
    Path(store.root).rename(place / "ware" / "models")
    (place / f"{name}.tsv").write_text("good place\t1\nbad food\t0\n" * 20, encoding="utf-8")
    monkeypatch.chdir(place)
    for variable in ("HOME", "TMPDIR"):
        monkeypatch.setenv(variable, str(place))
    here = json.dumps(literal(str(place)), ensure_ascii=False)[1:-1]
    source = f'[[sources]]\nname = "s"\npath = "{here}/{json.dumps(literal(name), ensure_ascii=False)[1:-1]}.tsv"\n'
    text = f'warehouse = "{here}/ware"\n{source}format = "tsv"\ncolumns = ["text", "label"]\n'
    Path(f"{name}.toml").write_text(text, encoding="utf-8-sig")
    config = ("--config", f"{name}.toml")

    code, out, err = textclf("query", "SELECT count(*) AS n, label FROM results GROUP BY ALL ORDER BY ALL", *config)
    assert (code, out.split()[-4:]) == (0, ["1", "0", "2", "1"]), err
    assert textclf("query", *config)[1] == "results (version 0): label\n"
    code, out, err = textclf("models", "list", *config)
    assert code == 0, err
    assert {"yelp", "trec"} <= set(out.split())
    assert textclf("models", "promote", "yelp@1", *config)[0] == 0
    code, out, err = textclf("predict", "good", *config, "--model", "yelp")
    assert (code, out[:2]) == (0, "1\t"), err
    code, out, err = textclf("check", *config)
    assert ("source s" in out, "wrong" in out, code) == (True, False, 0), out
    code, out, err = textclf("init", f"{name}.tsv", "--output", f"{name}2.toml", "--warehouse", f"{name} ware")
    assert code == 0, err
    code, out, err = textclf("check", "--config", f"{name}2.toml")
    assert ("wrong" in out, code) == (False, 0), out
