"""The pipeline file: its meaning, and the messages about its mistakes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclf.common.secrets import masked
from textclf.config import config_digest, load_pipeline, parse_pipeline
from textclf.errors import ConfigError

GOOD = """
warehouse = "warehouse"
[[sources]]
name = "yelp"
path = "${DATA}/yelp.txt"
format = "tsv"
columns = ["text", "label"]
"""


def mistakes(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_pipeline(text, environ or {"DATA": "/data"})
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_environment_is_expanded_and_defaults_are_the_designs() -> None:
    result = parse_pipeline(GOOD, {"DATA": "/data"})

    assert result.sources[0].path == "/data/yelp.txt"
    assert (result.text.num_words, result.text.max_length) == (5000, 100)
    assert (result.split.method, result.split.test_size, result.split.seed) == ("permutation", 0.25, 1000)
    assert (result.search.epochs, result.search.batch_size, result.search.architecture) == (20, 10, "cnn")


def test_every_mistake_is_in_one_error() -> None:
    message = mistakes(
        GOOD.replace('"tsv"', '"tsvv"').replace("name =", "nmae =")
        + '[text]\nnum_words = "many"\n[split]\ntest_size = 1.5\n[serach]\nfolds = 4\n'
    )

    assert "6 mistakes" in message
    assert "sources[0].nmae: unknown key; did you mean name?" in message
    assert "sources[0].name: missing" in message
    assert "sources[0].format: received 'tsvv'; expected 'tsv', 'csv', 'jsonl', 'parquet', 'delta' or 'text'" in message
    assert "text.num_words: received 'many'; expected integer" in message
    assert "split.test_size: received 1.5; expected less than 1" in message
    assert "serach: unknown key; did you mean search?" in message


def test_a_file_without_sources_says_how_one_is_written() -> None:
    assert "sources: missing; expected a section [[sources]]" in mistakes('warehouse = "warehouse"')


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('"${DATA}/yelp.txt"', '"${NOWHERE}/x"'), "sources[0].path: the environment variable NOWHERE is not set"),
        (('columns = ["text", "label"]', ""), "columns is missing"),
        (('"text", "label"', '"text", "klass"'), "columns must name 'text' and 'label', received ['text', 'klass']"),
        (('"tsv"', '"jsonl"'), "columns is for formats 'tsv' and 'csv', received it with format 'jsonl'"),
        (('warehouse = "warehouse"', ""), "expected either warehouse or schema, received neither"),
        (('warehouse = "warehouse"', 'schema = "lake.db"'), "schema needs models"),
        (('"warehouse"', '"warehouse"\nschema = "lake.db"\nmodels = "m"'), "received both"),
        (('"yelp"', '"../yelp"'), "sources[0].name: received '../yelp'"),
        (('"yelp"', '"y\'; DROP TABLE corpus"'), "sources[0].name: received"),
        (('name = "yelp"', 'name = "yelp"\nencoding = "utf-16"'), "utf-16 does not extend ASCII; convert the files"),
        (('name = "yelp"', 'name = "yelp"\nencoding = "latin-one"'), "expected a text encoding known to Python"),
        (('name = "yelp"', 'name = "yelp"\nencoding = "hex"'), "expected a text encoding known to Python"),
        (('"tsv"\ncolumns = ["text", "label"]', '"text"'), "needs pattern"),
        (('"tsv"\ncolumns = ["text", "label"]', '"text"\npattern = "(?P<text>.*"'), "not a regular expression"),
        (('"tsv"\ncolumns = ["text", "label"]', '"text"\npattern = "(.*)"'), "must have the named groups"),
    ],
)
def test_a_mistake_is_named_by_its_key(change: tuple[str, str], expected: str) -> None:
    assert expected in mistakes(GOOD.replace(*change))


def test_two_sources_of_one_name_are_a_mistake() -> None:
    again = GOOD.partition("\n[[sources]]")[2].replace("yelp", "YELP", 1)

    assert "received more than once: yelp" in mistakes(f"{GOOD}\n[[sources]]{again}")


def test_a_file_that_is_not_toml_or_not_there(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert "is not TOML" in mistakes("warehouse = ")
    with pytest.raises(ConfigError, match="check the path given with --config"):
        load_pipeline(tmp_path / "missing.toml")


def test_the_digest_follows_the_meaning_not_the_spelling() -> None:
    same = parse_pipeline("# a comment\n" + GOOD + "[text]\nnum_words = 5000\n", {"DATA": "/data"})
    other = parse_pipeline(GOOD + "[text]\nnum_words = 5001\n", {"DATA": "/data"})
    base = parse_pipeline(GOOD, {"DATA": "/data"})

    assert config_digest(same) == config_digest(base) != config_digest(other)


@given(st.text(max_size=200))
def test_any_text_is_a_pipeline_or_a_clear_error(text: str) -> None:
    for candidate in (text, GOOD + text, GOOD.replace("yelp", text)):
        with contextlib.suppress(ConfigError):  # any other exception fails the test
            parse_pipeline(candidate, {"DATA": "/data"})


def test_values_of_the_environment_are_in_no_message() -> None:
    secret = "hunter2-very-secret"
    message = mistakes(GOOD + '[score]\nbackend = "${TEXTCLF_SECRET}"\n', {"DATA": "/data", "TEXTCLF_SECRET": secret})
    assert secret not in message
    assert "score.backend: received '${TEXTCLF_SECRET}'" in message
    assert masked({"at": [f"/lake/{secret}", f"s3://key:{secret}@place"]}) == {
        "at": ["/lake/${TEXTCLF_SECRET}", "s3://place"]
    }


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("[gate]\nmax_rejects = 1.5", "gate.max_rejects: received 1.5"),
        ("[ingest]\nmax_rejects = 1.5", "ingest.max_rejects: received 1.5"),
        ("[ingest]\nmax_rejects = nan", "ingest.max_rejects: received nan"),
        ("[ingest]\nmax_rejects = true", "ingest.max_rejects: received True"),
        ("[ingest]\nwarn_below = -0.1", "ingest.warn_below: received -0.1"),
        ("[gate]\nmax_pis = 1.5", "gate.max_pis: unknown key; did you mean max_psi?"),
        ("[lock]\nlease = 1.0", "lock.lease: received 1.0"),
        ("[upkeep]\nretention_days = 1.0", "or short_retention = true"),
        (
            "[search]\nbatch_size = [16, 0]",
            "search.batch_size: received [16, 0]; expected a number of rows of at least 1",
        ),
        ('[search]\nbatch_size = "16"', "search.batch_size: received '16'; expected a number of rows"),
        ("[search]\nbatch_size = 16.0", "search.batch_size: received 16.0; expected a number of rows"),
        ("[search]\nbatch_size = true", "search.batch_size: received True; expected a number of rows"),
    ],
)
def test_sections_of_publishing_say_what_is_wrong(section: str, expected: str) -> None:
    assert expected in mistakes(f"{GOOD}{section}\n")


@pytest.mark.parametrize(
    "line", ['schema = "db; DROP TABLE x"', 'schema = "db`x"', 'schema = "../db"', 'schema = "a.b.c"']
)
def test_a_schema_is_a_name_and_no_sql(line: str) -> None:
    assert "warehouse: received" in mistakes(GOOD.replace('"warehouse"', '"ware`house"'))
    assert "schema: received" in mistakes(GOOD.replace('warehouse = "warehouse"', f'{line}\nmodels = "m"'))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("""pattern = '(?P<text>a{99999999999999})(?P<label>b)'""", "not a regular expression"),
        (f"pattern = '{'(' * 20000}'", "not a regular expression"),
        (f"max_record_bytes = 0x{'f' * 5000}", "a number of thousands of digits"),
        (f"max_record_bytes = {'1' * 5000}", "is not TOML"),
        (f"columns = {'[' * 900}{']' * 900}", "is not TOML"),
        ('label = "${BYTES}"', "BYTES has bytes that are not UTF-8"),
    ],
    ids=["large repeat", "deep pattern", "hexadecimal", "decimal", "deep list", "bytes"],
)
def test_what_no_parser_of_pythons_takes_is_a_mistake_of_the_file(line: str, said: str) -> None:
    body = f'warehouse = "w"\n[[sources]]\nname = "s"\npath = "p"\nformat = "text"\n{line}\n'
    with pytest.raises(ConfigError, match=said):
        parse_pipeline(body, {"BYTES": "\udcff\udcffabcdefg"})
