"""Files whose delimiter or backslash byte is also part of other characters never cause a traceback."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Run
from tests.cli.labelled_rows import rows
from tests.cli.other_tools import excel

TRAILS = {
    "shift_jis": "表ポ能ソゼ予", "cp932": "表ポ能ソゼ予", "gbk": "誠乗亅", "gb18030": "誠乗亅", "big5": "功許蓋崤育",
}  # fmt: skip
"""Characters with a trail byte that is a backslash or a pipe."""


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([(name, sign) for name, signs in TRAILS.items() for sign in signs]),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["", '"', '""']),
    st.booleans(),
    st.booleans(),
)
def test_no_character_is_taken_for_a_sign_within_it(
    textclf: Run, tmp_path: Path, kind: tuple[str, str], delimiter: str, quote: str, told: bool, header: bool
) -> None:
    encoding, sign = kind
    language = "ja" if "j" in encoding or "932" in encoding else "zh"
    pairs = [(f"{text}{sign}{at}", label) for at, (text, label) in enumerate(rows(language))]
    pairs[0] = (quote + pairs[0][0], pairs[0][1])
    data = excel(pairs, delimiter, header).encode(encoding, errors="ignore")
    (tmp_path / "data.csv").write_bytes(data)
    asked = ("--set", f"encoding={encoding}") if told else ()
    code, out, err = textclf("init", tmp_path / "data.csv", "--output", tmp_path / "p.toml", "--force", *asked)
    assert "Traceback" not in err
    assert code == 0 or "can be read in" in err or "different labels" in err, err
    if told:
        assert (code, "36 records, 2 labels" in out) == (0, True), err


@pytest.mark.parametrize("name", ["\ud800", "text\udfff", "\0"])
def test_json_names_that_no_pipeline_file_can_hold(textclf: Run, tmp_path: Path, name: str) -> None:
    lines = "".join(json.dumps({name: text, "label": label}) + "\n" for text, label in rows("en"))
    (tmp_path / "data.jsonl").write_text(lines)
    (tmp_path / "good.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in rows("en")))
    code, out, err = textclf("init", tmp_path, "--output", tmp_path / "p.toml")
    assert (code, "good: tsv" in out, "Traceback" in err) == (0, True, False), err
