"""Files of labelled texts as other tools write them, made by the tools themselves where these are installed.

Each file comes with its expected content, or with a part of the error that ``init`` reports where it cannot know it.
"""

import csv
import io
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pyspark.sql import SparkSession

from tests.cli.labelled_rows import Pairs, numbered, rows

_REFUSED = "jq -c '.[]' FILE > NEW"


class Tool(NamedTuple):
    """A tool that writes a file into a folder.

    Attributes:
        write: Function that writes the file and returns its path.
        means: Expected texts and labels, or a part of the error that ``init`` reports.
        code: Exit code of ``init``.
        rejects: Number of rejected records, such as those with a null.
    """

    name: str
    write: Callable[[Path], Path]
    means: Pairs | str
    code: int = 0
    rejects: int = 0


def frame(pairs: Pairs, **more: Any) -> pd.DataFrame:
    """Return a pandas table with the columns text and label after the given ones."""
    columns = {"text": [text for text, _ in pairs], "label": [label for _, label in pairs]}
    return pd.DataFrame({**{name: list(values) for name, values in more.items()}, **columns})


def _pandas(
    name: str,
    pairs: Pairs,
    means: Pairs | str | None = None,
    code: int = 0,
    *,
    method: str = "to_csv",
    file: str = "data.csv",
    table: pd.DataFrame | None = None,
    **how: Any,
) -> Tool:
    def write(folder: Path) -> Path:
        made = frame(pairs) if table is None else table
        getattr(made, method)(folder / file, **how)
        return folder / file

    return Tool(f"pandas: {method}, {name}", write, pairs if means is None else means, code)


def _text(name: str, file: str, content: str | bytes, means: Pairs | str, code: int = 0, rejects: int = 0) -> Tool:
    def write(folder: Path) -> Path:
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / file

    return Tool(name, write, means, code, rejects)


def excel(pairs: Pairs, separator: str = ",", header: bool = True) -> str:
    """Return CSV as Excel writes it: quotes only where needed, and CRLF after each record."""
    made = io.StringIO(newline="")
    writer = csv.writer(made, delimiter=separator)  # the default dialect is Excel's
    writer.writerows([("text", "label"), *pairs] if header else pairs)
    return made.getvalue()


def mysql(pairs: Sequence[tuple[str | None, ...]]) -> str:
    """Return the default output of MySQL's INTO OUTFILE: tabs, and backslashes before special characters."""

    def field(value: str | None) -> str:
        if value is None:
            return "\\N"
        return value.replace("\\", "\\\\").replace("\t", "\\\t").replace("\n", "\\\n").replace("\0", "\\0")

    return "".join("\t".join(map(field, pair)) + "\n" for pair in pairs)


def mysql_enclosed(pairs: Sequence[tuple[str | None, ...]]) -> str:
    """Return MySQL's output with FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\'."""

    def field(value: str | None) -> str:
        if value is None:
            return "\\N"
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\\n") + '"'

    return "".join(",".join(map(field, pair)) + "\n" for pair in pairs)


def label_studio(pairs: Pairs) -> list[dict[str, Any]]:
    """Return Label Studio's tasks with annotations, as in its JSON export."""
    return [
        {
            "id": at,
            "annotations": [
                {
                    "id": 1000 + at,
                    "completed_by": 1,
                    "result": [{"type": "choices", "value": {"choices": [label]}, "from_name": "sentiment"}],
                    "created_at": f"2026-01-05T10:{at % 60:02}:00.123456Z",
                    "lead_time": 3.5 + at,
                }
            ],
            "data": {"text": text},
            "created_at": f"2026-01-04T09:{at % 60:02}:00.000000Z",
        }
        for at, (text, label) in enumerate(pairs)
    ]


def label_studio_table(pairs: Pairs) -> pd.DataFrame:
    """Return the table of Label Studio's CSV export."""
    times = [f"2026-01-05T10:{at % 60:02}:00.123456Z" for at in range(len(pairs))]
    return pd.DataFrame(
        {
            "text": [text for text, _ in pairs],
            "id": range(len(pairs)),
            "sentiment": [label for _, label in pairs],
            "annotator": 1,
            "annotation_id": range(1000, 1000 + len(pairs)),
            "created_at": times,
            "updated_at": times,
            "lead_time": [3.5 + at for at in range(len(pairs))],
        }
    )


def _jq(name: str, file: str, program: str, given: Any, means: Pairs | str, code: int = 0, *flags: str) -> Tool:
    def write(folder: Path) -> Path:
        done = subprocess.run(
            ["jq", *flags, program], input=json.dumps(given).encode(), capture_output=True, check=True
        )
        (folder / file).write_bytes(done.stdout)
        return folder / file

    return Tool(f"jq {' '.join(flags)} {name}".replace("  ", " "), write, means, code)


def _duckdb(name: str, pairs: Pairs, file: str, how: str) -> Tool:
    def write(folder: Path) -> Path:
        table = pa.table({"text": [text for text, _ in pairs], "label": [label for _, label in pairs]})
        with duckdb.connect() as connection:
            connection.register("reviews", table)
            connection.execute(f"COPY reviews TO '{folder / file}' ({how})")
        return folder / file

    return Tool(f"DuckDB: COPY, {name}", write, pairs)


def _sqlite(pairs: Pairs) -> Tool:
    def write(folder: Path) -> Path:
        with sqlite3.connect(folder / ".reviews.db") as connection:
            connection.execute("CREATE TABLE reviews (text, label)")
            connection.executemany("INSERT INTO reviews VALUES (?, ?)", pairs)
        connection.close()
        ask = ["sqlite3", "-csv", "-header", str(folder / ".reviews.db"), "SELECT text, label FROM reviews"]
        (folder / "data.csv").write_bytes(subprocess.run(ask, capture_output=True, check=True).stdout)
        return folder / "data.csv"

    return Tool("sqlite3 -csv -header", write, pairs)


def _arrow(pairs: Pairs) -> Tool:
    def write(folder: Path) -> Path:
        pa.csv.write_csv(pa.Table.from_pandas(frame(pairs)), folder / "data.csv")
        return folder / "data.csv"

    return Tool("pyarrow.csv.write_csv", write, pairs)


def _with_times(pairs: Pairs) -> pd.DataFrame:
    count = range(len(pairs))
    return frame(
        pairs,
        id=[f"{at:08x}-aaaa-bbbb-cccc-0123456789ab" for at in count],
        created_at=[f"Mon Jan {at % 28 + 1:02} 22:19:45 PDT 2026" for at in count],
        url=[f"https://shop.example/products/item-{at}?ref=mail" for at in count],
        email=[f"customer.number.{at}@mail.example.org" for at in count],
        ship_to=[f"{at + 10} Main Street, Springfield, IL 6270{at % 10}" for at in count],
    )


def short() -> Pairs:
    """Return distinct texts of a word and a letter."""
    return [(f"{word} {at}", label) for word, label in (("great", "pos"), ("bad", "neg")) for at in "abcdefghij"]


def tools() -> list[Tool]:
    """Return all tools that do not need Spark."""
    return [*_of_pandas(), *_of_offices(), *_of_labellers(), *_of_shells()]


def _of_pandas() -> list[Tool]:
    """Return files that pandas writes."""
    odd = rows("en", odd=True)
    en, de, ru, zh, ja, th, ar = map(rows, ("en", "de", "ru", "zh", "ja", "th", "ar"))
    no_lines = [pair for pair in odd if "\n" not in pair[0]]
    return [
        _pandas("index and header (en)", odd),
        _pandas("no index (zh)", zh, index=False),
        _pandas("no header, no index (de)", de, index=False, header=False),
        _pandas("index, no header (th)", th, header=False),
        _pandas("semicolons, BOM (zh)", zh, index=False, sep=";", encoding="utf-8-sig"),
        _pandas("index, BOM (ar)", ar, encoding="utf-8-sig"),
        _pandas("tabs (ja)", ja, index=False, sep="\t", file="data.tsv"),
        _pandas("tabs, odd texts (en)", odd, sep="\t", file="data.tsv"),
        _pandas("all quoted (ar)", ar, index=False, quoting=csv.QUOTE_ALL),
        _pandas("escapes, no doubled quotes (en)", no_lines, means="backslashes seem to escape", code=2, index=False,
                escapechar="\\", doublequote=False),
        _pandas("cp1252 (de)", de, index=False, encoding="cp1252"),
        _pandas("cp1251 (ru)", ru, means="--set encoding=cp1251", code=2, index=False, encoding="cp1251"),
        _pandas("gb18030 (zh)", zh, index=False, encoding="gb18030"),
        _pandas("euc-jp (ja)", ja, means="--set encoding=euc-jp", code=2, index=False,
                encoding="euc-jp"),
        _pandas("gzip (th)", th, file="data.csv.gz"),
        _pandas("lines (ja)", ja, method="to_json", file="data.jsonl", orient="records", lines=True),
        _pandas("lines, float labels (en)", numbered(en), method="to_json", file="data.json", orient="records",
                lines=True, table=frame(numbered(en)).astype({"label": float})),
        _pandas("records (zh)", zh, means=_REFUSED, code=3, method="to_json", file="data.json", orient="records"),
        _pandas("its default (ru)", ru, means="lines=True", code=3, method="to_json", file="data.json"),
        _pandas("Parquet with an index (ru)", ru, method="to_parquet", file="data.parquet", index=True,
                table=frame(ru).set_index(pd.Index(range(100, 136), name="row"))),
        _pandas("ids, times, addresses beside short texts (en)", short(), table=_with_times(short())),
        _pandas("the same without a header (en)", short(), table=_with_times(short()), header=False,
                index=False),
        _pandas("two texts and a label (en)", en, means="--set text=", code=2, index=False,
                table=frame(en, premise=[f"{text} too" for text, _ in en]).rename(columns={"text": "hypothesis"})),
        _pandas("two labels (en)", en, means="--set label=", code=2, index=False,
                table=frame(en, topic=["food", "staff"] * 18)),
        _pandas("splits beside labels (de)", de, index=False, table=frame(de, split=["train", "test"] * 18)),
    ]  # fmt: skip


def _of_offices() -> list[Tool]:
    """Return files written by Excel, by databases and by hand."""
    odd = rows("en", odd=True)
    de, ru, zh, ja, th, ar = map(rows, ("de", "ru", "zh", "ja", "th", "ar"))
    bom = "\ufeff"
    return [
        _text("Excel: CSV UTF-8 (en)", "data.csv", bom + excel(odd), odd),
        _text("Excel: CSV UTF-8, German (de)", "data.csv", bom + excel(de, ";"), de),
        _text("Excel: CSV, German (de)", "data.csv", excel(de, ";").encode("cp1252"), de),
        _text("Excel: CSV UTF-8, no header (ja)", "data.csv", bom + excel(ja, header=False), ja),
        _text("Excel: Unicode text (zh)", "data.txt", excel(zh, "\t").encode("utf-16"), "iconv -f UTF-16", 3),
        _text("one bad byte in UTF-8 (de)", "data.csv", excel(de).encode() + b"Caf\xe9 zu,gut\r\n", de, 0, 1),
        _text("MySQL: INTO OUTFILE (th)", "data.txt", mysql(th), th),
        _text("MySQL: INTO OUTFILE, odd texts and nulls (en)", "data.txt", mysql([*odd, (None, "good")]),
              "backslashes seem to escape", 2),
        _text("MySQL: fields enclosed, a null label (en)", "data.csv", mysql_enclosed([*odd, ("no label", None)]), odd,
              0, 1),
        _text("MySQL: fields enclosed, a null text (ru)", "data.csv", mysql_enclosed([*ru, (None, "плохо")]),
              "backslashes seem to escape", 2),
        _text("fastText (de)", "data.txt", "".join(f"__label__{label} {text}\n" for text, label in de), de),
        _text("files put together with their headers (ar)", "data.csv", (excel(ar[:18]) + excel(ar[18:])), ar, 0, 1),
    ]  # fmt: skip


def _of_labellers() -> list[Tool]:
    """Return files written by labelling tools and by tools for columnar data."""
    odd = rows("en", odd=True)
    en, de, ru, zh, ja, th, ar = map(rows, ("en", "de", "ru", "zh", "ja", "th", "ar"))
    return [
        _pandas("Label Studio's CSV (ja)", ja, table=label_studio_table(ja), index=False),
        _text("Label Studio: JSON (th)", "data.json", json.dumps(label_studio(th)), _REFUSED, 3),
        _text("Label Studio: JSON-MIN (th)", "data.json",
              json.dumps(label_studio_table(th).to_dict("records"), indent=2), _REFUSED, 3),
        _pandas("Hugging Face: to_json (zh)", numbered(zh), method="to_json", file="data.jsonl", orient="records",
                lines=True, force_ascii=False, table=frame(numbered(zh)).astype({"label": int})),
        _pandas("Hugging Face: to_csv (ar)", numbered(ar), table=frame(numbered(ar)), index=False),
        _pandas("Hugging Face: to_parquet (ja)", numbered(ja), method="to_parquet", file="data.parquet",
                table=frame(numbered(ja), idx=range(36)).astype({"label": int})),
        _pandas("Hugging Face: label and label_text (en)", numbered(en), method="to_json", file="train.jsonl",
                orient="records", lines=True,
                table=frame(numbered(en)).assign(label_text=["pos" if label == "1" else "neg"
                                                             for _, label in numbered(en)])),
        _duckdb("CSV (ar)", ar, "data.csv", "HEADER"),
        _duckdb("pipes, no header (ru)", ru, "data.csv", "DELIMITER '|', HEADER false"),
        _duckdb("JSON (de)", de, "data.json", "FORMAT json"),
        _duckdb("Parquet (zh)", zh, "data.parquet", "FORMAT parquet"),
        _arrow(odd),
    ]  # fmt: skip


def _of_shells() -> list[Tool]:
    """Return files written by those command-line tools that are installed."""
    odd = rows("en", odd=True)
    de, ru, zh, th = map(rows, ("de", "ru", "zh", "th"))
    objects = [{"text": text, "label": label} for text, label in ru]
    nested = label_studio(th)
    mend = "{text: .data.text, label: .annotations[0].result[0].value.choices[0]}"
    made: list[Tool] = []
    if shutil.which("jq") is not None:
        made += [
            _jq("'.[]' (ru)", "data.jsonl", ".[]", objects, ru, 0, "-c"),
            _jq("'.[]' (ru)", "data.json", ".[]", objects, "jq -c .", 3),
            _jq("of Label Studio's JSON (th)", "data.jsonl", ".[]", nested, mend, 3, "-c"),
            _jq("as init says (th)", "data.jsonl", f".[] | {mend}", nested, th, 0, "-c"),
            _jq("@csv (zh)", "data.csv", ".[] | @csv", zh, zh, 0, "-r"),
            _jq("@tsv (de)", "data.tsv", ".[] | @tsv", de, de, 0, "-r"),
            _jq("@tsv, odd texts (en)", "data.tsv", ".[] | @tsv", odd, "backslashes seem to escape", 2, "-r"),
        ]
    if shutil.which("sqlite3") is not None:
        made.append(_sqlite(odd))
    return made


def spark_tools(spark: SparkSession) -> list[Tool]:
    """Return folders of files that Spark writes."""

    def tool(name: str, pairs: Pairs, form: str, *, by: str | None = None, **options: Any) -> Tool:
        def write(folder: Path) -> Path:
            table = spark.createDataFrame(pairs, "text string, label string").coalesce(2 if by is None else 1)
            writer = table.write.options(**options)
            (writer if by is None else writer.partitionBy(by)).format(form).save(str(folder / "reviews"))
            return folder / "reviews"

        # By default Spark trims the values that it writes as CSV.
        means = [(text.strip(), label) for text, label in pairs] if form == "csv" else pairs
        return Tool(f"Spark: write.{form}, {name}", write, means)

    odd, lines = rows("en", odd=True), rows("th")

    def text(folder: Path) -> Path:
        table = spark.createDataFrame([(f"__label__{label} {text}",) for text, label in lines], "value string")
        table.coalesce(1).write.text(str(folder / "reviews"))
        return folder / "reviews"

    return [
        tool("its defaults (en)", odd, "csv"),
        tool("header (zh)", rows("zh"), "csv", header=True),
        tool("header, quotes doubled (en)", odd, "csv", header=True, escape='"'),
        tool("tabs, gzip (ja)", rows("ja"), "csv", sep="\t", compression="gzip"),
        tool("everything quoted (ru)", rows("ru"), "csv", header=True, quoteAll=True),
        tool("(ar)", rows("ar"), "json"),
        tool("label in folders' names (de)", rows("de"), "parquet", by="label"),
        Tool("Spark: write.text of fastText's lines (th)", text, lines),
    ]
