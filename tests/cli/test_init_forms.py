"""Files in any form that people write are read as intended or asked about, and never misread."""

import csv
import io
import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Run
from tests.cli.labelled_rows import Pairs, rows
from textclf.cli.init import look_at
from textclf.cli.sniff.files import UnsureError
from textclf.cli.sniff.sample import parse_asked
from textclf.config import Source
from textclf.corpus.local.files import chunks
from textclf.corpus.local.reader import read_chunks
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
    """Return what ingest reads from a file with the keys that a look finds, or the message of an error."""
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
@example(
    {
        "data": "ar",
        "delimiter": ";",
        "quoting": 0,
        "end": "\n",
        "names": None,
        "extra": ["address"],  # each address has a comma and a blank
        "order": [0, 1, 2, 3, 4, 5],
        "mark": False,
    }
)
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


BODY = "".join(f"{text.replace(',', '')},{label}\n" for text, label in rows("en"))
MEANT = [(text.replace(",", ""), label) for text, label in rows("en")]


@pytest.mark.parametrize(
    ("content", "rejects"),
    [
        (f"Export of 5 January\n\ntext,label\n{BODY}", 3),
        (f"sep=,\ntext,label\n{BODY}", 2),
        (f"\ntext,label\n{BODY}", 2),
        (f"# from the shop\n{BODY}", 1),
        (f"text,label,note,note\n{BODY}".replace("\n", ",,\n").replace("note,note,,", "note,note"), 1),
        (f"text,label,,\n{BODY}".replace("\n", ",,\n").replace("label,,,,", "label,,"), 0),
        (f"text,label\n{BODY}no label\n,\n", 2),
        (f"text, label\n{BODY.replace(',', ', ')}", 0),
        (BODY.replace(",", "\x01"), 0),
        (f"text;price;label\n{BODY.replace(',', ';3,50;')}", 0),
    ],
)
def test_lines_around_the_records_cost_no_record(tmp_path: Path, content: str, rejects: int) -> None:
    path = tmp_path / "data.csv"
    path.write_text(content)
    assert found(path) == (Counter(MEANT), rejects)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("".join(f'"{text}", "{label}"\n' for text, label in rows("en")), "no blank before a quote"),
        ("".join(f"'{text}','{label}'\n" for text, label in MEANT), "labels are within '"),
        ('"a \\\\ b",1\n"c \\\\ d",0\n' * 10, "can be read in 2 ways"),
        ("a\\tb\t1\nc\\nd\t0\n" * 10, "escapes such as"),
    ],
)
def test_quotes_and_backslashes_of_other_kinds_are_asked_about(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(content)
    assert words in str(found(path))


def test_each_answer_that_is_shown_is_one(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    for content in (
        '"a \\\\ b",1\n"c \\\\ d",0\n' * 10,
        "a\\tb\t1\nc\\nd\t0\n" * 10,
        "what it is,so\n" + BODY,
        "premise,hypothesis,label\n" + "".join(f"{text} too,{text},{label}\n" for text, label in MEANT),
        "".join(f"{text} too,{text},{label},{at % 3}\n" for at, (text, label) in enumerate(MEANT)),
        "".join(f"'{text}','{label}'\n" for text, label in MEANT),
    ):
        path.write_text(content)
        with pytest.raises(UnsureError) as caught:
            look_at([str(path)])
        options = caught.value.options
        for option, answer in zip(options, caught.value.answers(), strict=True):
            asked = parse_asked(shlex.split(answer.replace("--set ", "")))
            ((named,), _) = look_at([str(path)], asked)
            assert named.look.keys == option.keys


def test_parts_of_which_the_first_alone_has_a_header(tmp_path: Path) -> None:
    pairs = rows("ru")
    for at in range(3):
        part = "".join(f"{text.replace(',', '')}\t{label}\n" for text, label in pairs[at * 12 : at * 12 + 12])
        (tmp_path / f"part-{at}").write_text("text\tlabel\n" * (at == 0) + part)
    ((named,), _) = look_at([str(tmp_path)])
    assert (len(named.look.texts), named.look.refused, named.look.label_set) == (36, 1, sorted({b for _, b in pairs}))


def test_stars_give_way_to_a_verdict(tmp_path: Path) -> None:
    pairs = rows("en")
    lines = [f"{text.replace(',', '')},{at % 5},{label}\n" for at, (text, label) in enumerate(pairs)]
    path = tmp_path / "data.csv"
    path.write_text("what_they_wrote,stars,verdict\n" + "".join(lines))
    assert found(path) == (Counter(MEANT), 0)


def test_names_of_products_may_be_texts(tmp_path: Path) -> None:
    pairs = [(f"{maker} Phone {at} Pro Max", label) for at in range(10) for maker, label in
             (("Kiwi", "phone"), ("Best", "cover"))]  # fmt: skip
    path = tmp_path / "data.csv"
    path.write_text("title,category\n" + "".join(f"{text},{label}\n" for text, label in pairs))
    assert found(path) == (Counter(pairs), 0)


@pytest.mark.parametrize(
    "word",
    ["delimiter=ab", "encoding=utf-16", "encoding=nonsense", "escape=\\\\", "format=xml", "quoting=maybe", "x=1", ""],
)
def test_what_no_source_can_have_is_a_mistake_of_the_command_line(textclf: Run, tmp_path: Path, word: str) -> None:
    (tmp_path / "data.csv").write_text(BODY)
    code, _, err = textclf("init", tmp_path / "data.csv", "--output", tmp_path / "p.toml", "--set", word)
    assert (code, "--set" in err, "Traceback" in err) == (2, True, False)


@pytest.mark.parametrize(
    "word",
    [
        *("delimiter=;", "encoding=koi8-r", "escape=\\", "format=jsonl", "format=text", "quoting=true", "header=true"),
        *("columns=text,label", "columns=a", "columns=label,text", "text=nosuch", "format=parquet", "format=tsv"),
    ],
)
def test_what_is_asked_for_is_done_or_refused(textclf: Run, tmp_path: Path, word: str) -> None:
    (tmp_path / "data.csv").write_text(BODY)
    code, _, err = textclf("init", tmp_path / "data.csv", "--output", tmp_path / "p.toml", "--set", word)
    assert code in (0, 3)
    assert "Traceback" not in err


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["de", "ru", "zh", "ja", "th", "ar"]),
    st.lists(st.tuples(st.integers(200), st.integers(128, 255)), min_size=1, max_size=3),
)
def test_bad_bytes_in_utf_8_cost_their_records_alone(tmp_path: Path, language: str, bad: list[tuple[int, int]]) -> None:
    pairs = rows(language)
    data = bytearray("".join(f"{text}\t{label}\n" for text, label in pairs).encode())
    for at, byte in bad:
        data[at % len(data) : at % len(data)] = bytes([byte])
    path = tmp_path / "data.tsv"
    path.write_bytes(data)
    answer = found(path)
    assert not isinstance(answer, str), answer
    accepted, rejected = answer
    assert accepted <= Counter(pairs) or sum((accepted - Counter(pairs)).values()) <= len(bad)
    assert rejected <= len(bad)
