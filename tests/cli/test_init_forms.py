"""Files of fields in any form that people make: read as they are meant, or asked about, never read otherwise."""

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.other_tools import Pairs, rows
from textclf.cli.init import look_at
from textclf.config import Source
from textclf.corpus.local_files import chunks
from textclf.corpus.reader import read_chunks
from textclf.errors import InputError, UsageError

SHORT = [(f"{word} {end}", label) for word in ("soup", "room", "wine", "staff", "bread") for end, label in
         (("fine", "1"), ("great", "1"), ("bad", "0"), ("cold", "0"))]  # fmt: skip
WORDS = [(f"{word}{end}", label) for word in ("love", "lik", "enjoy", "ador") for end, label in
         (("ing", "yes"), ("ed", "yes"), ("less", "no"), ("n't", "no"))]  # fmt: skip
DATA = {language: rows(language) for language in ("en", "de", "ru", "zh", "ja", "th", "ar")} | {
    "odd": rows("en", odd=True),
    "short": SHORT,
    "words": WORDS,
}
EXTRA: dict[str, Any] = {
    "id": lambda at: str(at),
    "": lambda at: str(at),
    "uuid": lambda at: f"{at:08x}-aaaa-4bbb-8ccc-0123456789ab",
    "created_at": lambda at: f"2026-01-{at % 28 + 1:02}T10:{at % 60:02}:00.000+01:00",
    "when": lambda at: f"{at % 28 + 1}. Jan 2026 at 10:{at % 60:02}",
    "time": lambda at: f"10:{at % 60:02}",
    "link": lambda at: f"https://example.org/a/rather/long/path/to/item?number={at}&from=mail",
    "mail": lambda at: f"a.customer.with.a.long.name.{at}@mail.example.org",
    "address": lambda at: f"{at + 1} Long Winding Road, Springfield, IL 6270{at % 10}",
    "file": lambda at: f"/var/data/reviews/2026/part-{at}.txt",
    "price": lambda at: f"{at}.99",
    "split": lambda at: ("train", "test")[at % 3 == 0],
    "phone": lambda at: f"+49 30 1234 {at:04}",
}  # fmt: skip
NAMES = [("text", "label"), ("Review", "Sentiment"), ("message_body", "category"), ("отзыв", "метка"), ("文本", "标签"),
         ("v2", "v1"), ("what they said", "how it was")]  # fmt: skip
FORMS = st.fixed_dictionaries(
    {
        "data": st.sampled_from(sorted(DATA)),
        "delimiter": st.sampled_from([",", ";", "\t", "|"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        "end": st.sampled_from(["\n", "\r\n"]),
        "names": st.sampled_from([None, *NAMES]),
        "extra": st.lists(st.sampled_from(sorted(EXTRA)), max_size=4, unique=True),
        "order": st.permutations(range(6)),
        "mark": st.booleans(),
    }
)


def table(form: dict[str, Any]) -> tuple[list[list[str]], Pairs]:
    pairs = DATA[form["data"]]
    names = [*(form["names"] or ("text", "label")), *form["extra"]]
    columns = [[text for text, _ in pairs], [label for _, label in pairs]]
    columns += [[EXTRA[name](at) for at in range(len(pairs))] for name in form["extra"]]
    order = [at for at in form["order"] if at < len(columns)]
    made = [[columns[at][row] for at in order] for row in range(len(pairs))]
    return ([[names[at] for at in order]] if form["names"] else []) + made, pairs


def found(path: Path) -> tuple[Counter[tuple[str | None, str | None]], int] | str:
    """What ingest would read of a file by what a look says of it; the error where there is one."""
    try:
        ((named,), _) = look_at([str(path)])
    except (InputError, UsageError) as error:
        return str(error)
    look = named.look
    source = Source(name="s", path=named.path, labels=look.label_set, **look.keys)
    parsed = [record.parsed for record in read_chunks(source, chunks(path))]
    accepted = Counter((each.text, each.label) for each in parsed if each.reason is None)
    assert sum(accepted.values()) == len(look.texts)
    return accepted, len(parsed) - len(look.texts)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FORMS)
def test_a_file_of_fields_is_read_as_it_is_meant_or_asked_about(tmp_path: Path, form: dict[str, Any]) -> None:
    records, pairs = table(form)
    made = io.StringIO(newline="")
    csv.writer(made, delimiter=form["delimiter"], quoting=form["quoting"], lineterminator=form["end"]).writerows(
        records
    )
    path = tmp_path / "data.csv"
    path.write_bytes(b"\xef\xbb\xbf" * form["mark"] + made.getvalue().encode())
    answer = found(path)
    if isinstance(answer, str):
        assert "can be read in" in answer, answer
    else:
        assert answer == (Counter(pairs), 0)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FORMS, st.booleans(), st.sampled_from(["text", "float", "bool", "int"]))
def test_json_lines_are_read_as_they_are_meant_or_asked_about(
    tmp_path: Path, form: dict[str, Any], ascii_alone: bool, kind: str
) -> None:
    records, pairs = table(form | {"names": form["names"] or ("text", "label")})
    (names, *rest), first = records, pairs[0][1]
    _, label = form["names"] or ("text", "label")
    kinds: dict[str, Any] = {"float": float, "bool": bool, "int": int}
    values = [dict(zip(names, record, strict=True)) for record in rest]
    if kind != "text":
        values = [value | {label: kinds[kind](value[label] == first)} for value in values]
        plus, minus = ("true", "false") if kind == "bool" else ("1", "0")
        pairs = [(text, plus if given == first else minus) for text, given in pairs]
    lines = "".join(json.dumps(value, ensure_ascii=ascii_alone) + form["end"] for value in values)
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" * form["mark"] + lines.encode())
    answer = found(path)
    if isinstance(answer, str):
        assert "can be read in" in answer, answer
    else:
        assert answer == (Counter(pairs), 0)


@pytest.mark.parametrize("count", [3, 5, 8, 200])
@pytest.mark.parametrize("header", [True, False])
def test_files_of_few_records(tmp_path: Path, count: int, header: bool) -> None:
    pairs = (DATA["de"] * 6)[:: max(len(DATA["de"]) // count, 1)][:count]
    path = tmp_path / "data.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *pairs] if header else pairs)
    answer = found(path)
    assert isinstance(answer, str) or answer == (Counter(pairs), 0)
    assert not isinstance(answer, str) or count < 5
