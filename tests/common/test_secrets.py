"""Secrets are masked in every form, and addresses are shown without credentials."""

import html
import json
import re
import threading
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.environments import environment
from textclf.common import secrets
from textclf.common.credentials import credentials, userinfo, without_credentials
from textclf.common.secrets import first_line, masked, opened, unmasked, written_forms
from textclf.config import config_digest, parse_pipeline
from textclf.config.load import literal
from textclf.errors import ConfigError

AWKWARD = [
    'quote\'s "both" kinds',
    "back\\slash\\n",
    "line\nfeed and more",
    "pa#ss/wo?rd&x=1",
    "a.*b[c](d)+",
    "größe-geheim",
    "</script>&amp;",
    "${TOKEN}",
    "\x1b[2Jsecret",
    "tab\tand\0nul",
    "100000",
    "%2Fencoded%2F",
]
FORMS: list[Callable[[str], str]] = [
    str,
    repr,
    ascii,
    json.dumps,
    quote,
    quote_plus,
    html.escape,
    lambda value: quote(value, safe=""),
    lambda value: json.dumps(value, ensure_ascii=False),
    lambda value: repr([value, "'", '"']),
    lambda value: json.dumps({"said": repr(value)}),
    lambda value: repr(f"both \" and ' {value}"),
]


@pytest.mark.parametrize("secret", AWKWARD)
def test_a_secret_is_masked_in_every_form_that_errors_give_it(secret: str) -> None:
    with environment({"PASSWORD": secret}):
        for form in FORMS:
            said = form(secret)
            assert "${PASSWORD}" in masked(f"cannot connect: {said}"), said
            left = masked(said).replace("${PASSWORD}", "")
            assert secret not in left
            assert (
                not left.strip("'\"[]{}:, \\")
                .removeprefix("said")
                .strip("'\"[]{}:, \\")
                .removeprefix("both")
                .strip("\"'\\ and,")
            ), (said, left)


@settings(deadline=None)
@given(st.lists(st.text(min_size=6, max_size=12) | st.sampled_from(AWKWARD), min_size=1, max_size=4, unique=True))
def test_places_come_back_for_every_environment(secrets: list[str]) -> None:
    values = {f"V{number}": secret for number, secret in enumerate(secrets)}
    place = "/lake/" + "/".join(secrets)
    with environment(values):
        written = masked(place)
        assert masked(written) == written
        assert written in written_forms(place)
        assert opened(written, [place, "/other"]) == place
        if not any(name in secret or "://" in secret for name in ("${", "=") for secret in secrets):
            assert unmasked(written) == place


def test_a_value_that_is_part_of_another_leaves_nothing_of_it() -> None:
    with environment({"A": "secret", "B": "secret-and-more", "SECRETARY": "SECRET"}):
        assert masked("x secret-and-more secret ${SECRETARY}") == "x ${B} ${A} ${SECRETARY}"
    with environment({"TEAM": "abcdef", "B": "${TEAM}-hunter2"}):
        assert masked("x ${TEAM}-hunter2 abcdef") == "x ${B} ${TEAM}"


def test_keys_and_figures_are_not_masked() -> None:
    with environment({"KEY": "accuracy", "N": "100000"}):
        assert masked({"accuracy": 100000, "why": "accuracy"}) == {"accuracy": 100000, "why": "${KEY}"}


def test_an_error_is_masked_before_it_is_cut() -> None:
    secret = "first part\nsecond part of a secret"
    with environment({"S": secret}):
        assert first_line(ValueError(f"no: {secret}"), 12) == "no: ${S}"
        assert first_line(ValueError("x" * 290 + secret), 300, named=False).endswith("x${S}")


class JavaError(Exception):
    """An error like py4j's: ``str`` describes the call, and ``toString`` describes the Java error."""

    def __init__(self, said: str) -> None:
        super().__init__("An error occurred while calling o1.load")
        self.java_exception = self
        self.said = said

    def toString(self) -> str:  # noqa: N802 - Java's name
        return f"java.io.IOException: {self.said}\n\tat a.b.C"


def test_words_of_java_are_masked_before_they_are_cut_wherever_they_are_cut() -> None:
    secret = "hunter2-secret-of-many-letters"
    with environment({"S": secret}):
        assert first_line(JavaError(f"no {secret}"), 29) == "java.io.IOException: no ${S}"
        long = first_line(JavaError("x" * 270 + secret))
        assert long.endswith("x${S}")
        assert first_line(JavaError("no"), named=True) == "JavaError: java.io.IOException: no"


def test_a_value_that_comes_while_a_pattern_is_made_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    with environment({"A": "first-secret"}):
        other = threading.Thread(target=secrets.remember, args=("B", "second-secret"))
        compiled = re.compile

        def compile_slowly(pattern: str, flags: int = 0) -> re.Pattern[str]:
            if not other.ident:
                other.start()
                other.join(0.5)  # it ends within this time, or waits for this thread
            return compiled(pattern, flags)

        with monkeypatch.context() as patched:
            patched.setattr(re, "compile", compile_slowly)
            assert masked("first-secret") == "${A}"
        other.join()
        assert masked("first-secret second-secret") == "${A} ${B}"


PASSWORDS = ["secret", "pa#ss", "pa/ss", "p@ss@w", "p?a=b", "pa:ss", "12/34", "a", "s%2Fb", "/x", "p@a/b", "k+y/z="]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("scheme", ["https", "postgresql", "mysql+pymysql", "s3a", "jdbc:postgresql", "amqp"])
def test_an_address_shows_neither_user_nor_password(scheme: str, password: str) -> None:
    place = f"{scheme}://ana:{password}@db.example:5432/x"
    assert without_credentials(place) == f"{scheme}://db.example:5432/x"
    assert without_credentials(f"cannot open '{place}', said ana") == (
        f"cannot open '{scheme}://db.example:5432/x', said ana"
    )
    assert password in credentials(place)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://h/x?password=hun&y=1", "https://h/x?password=***&y=1"),
        ("https://h/x?y=1&token=a#b", "https://h/x?y=1&token=***"),
        ("https://acc.blob.example/c?sv=2&sig=ab%2Fc", "https://acc.blob.example/c?sv=2&sig=***"),
        ("s3a://b/k?X-Amz-Credential=A/b&X-Amz-Signature=12", "s3a://b/k?X-Amz-Credential=***&X-Amz-Signature=***"),
        ("https://h/x?api_key=1&API-KEY=2&apikey=3", "https://h/x?api_key=***&API-KEY=***&apikey=***"),
        ("jdbc:sqlserver://h;user=u;password=p;x=1", "jdbc:sqlserver://h;user=u;password=***;x=1"),
        ("jdbc:oracle:thin:scott/tiger@h:1", "jdbc:oracle:thin:@h:1"),
        ("DefaultEndpointsProtocol=https;AccountKey=ab+/=;x=1", "DefaultEndpointsProtocol=https;AccountKey=***;x=1"),
        ("{'Authorization': 'Bearer abc.def'}", "{'Authorization': 'Bearer ***'}"),
        ("https://token-as-user@host/x", "https://host/x"),
        ("redis://:pa/ss@host:1/x", "redis://host:1/x"),
        ("jdbc:sqlserver://h;user=u;password={a;b};x=1", "jdbc:sqlserver://h;user=u;password=***;x=1"),
        ("jdbc:sqlserver://h:1433;password={a}};b/c@d ?e};x=1", "jdbc:sqlserver://h:1433;password=***;x=1"),
        ("jdbc:sqlserver://h;user=u;password=p@ss/x;y=2", "jdbc:sqlserver://h;user=u;password=***;y=2"),
        ("DRIVER={ODBC 18};SERVER=h;PWD={p;w}}d};x=1", "DRIVER={ODBC 18};SERVER=h;PWD=***;x=1"),
        ("cannot open password={a b;c} today", "cannot open password=*** today"),
        ("jdbc:sqlserver://h;password={cut off; x", "jdbc:sqlserver://h;password=***"),
        ('jdbc:oracle:thin:scott/"ti@g er"@h:1', "jdbc:oracle:thin:@h:1"),
        ("jdbc:mysql://(host=h,user=u,password=p)@h:1/x", "jdbc:mysql://h:1/x"),
        ("sv=2022-11-02&sig=ab%2Fc%3D&se=2026", "sv=2022-11-02&sig=***&se=2026"),
        ("sig=ab%2Fc%3D", "sig=***"),
        (
            "retries exceeded with url: /c?sv=1&token=abc&y=2 (Caused",
            "retries exceeded with url: /c?sv=1&token=***&y=2 (Caused",
        ),
        ("{'user': 'u', 'password': 'a b'}", "{'user': 'u', 'password': ***}"),
        ("connect(password='a b', host='h')", "connect(password=***, host='h')"),
        ("aws_secret_access_key = abc/def+x", "aws_secret_access_key = ***"),
        ("fs.azure.account.key.a.dfs.example=ab+/=", "fs.azure.account.key.a.dfs.example=***"),
        ("https://ana@corp.example:pw@host/x", "https://host/x"),
        ("https://ana@corp.example:p/w@host/x", "https://host/x"),
    ],
)
def test_keys_and_tokens_of_addresses_are_not_shown(given: str, shown: str) -> None:
    assert without_credentials(given) == shown


@pytest.mark.parametrize(
    "place",
    [
        "sqlite:////srv/ml@flow.db",
        "abfss://container@account.dfs.example/x",
        "wasbs://c@a.blob.example",
        "s3a://b/p@th",
        "http://localhost:5000/a@b",
        "hdfs://namenode:8020/user/a@b",
        "/data/a@b:c",
        "https://h:8080/x?max=1&name=token",
        "file:///C:/a@b",
        "http://[::1]:80/a@b",
        "num_tokens=100000, ana@example.org",
        "https://h/x?keyword=1",
        "/lake/sig=5/key=1",
        "pattern {a} and {b;c}",
        "significance = 0.5, passwords: 3",
    ],
)
def test_an_address_without_credentials_stays_as_it_is(place: str) -> None:
    assert without_credentials(place) == place


def test_servers_are_asked_with_the_credentials_apart() -> None:
    assert userinfo("https://ana:p%40ss@host:9091/a@b") == ("https://host:9091/a@b", "ana", "p@ss")
    assert userinfo("https://ana:pa/ss@host") == ("https://host", "ana", "pa/ss")
    assert userinfo("https://host/x") == ("https://host/x", "", "")


GOOD = 'warehouse = "w"\n[[sources]]\nname = "yelp"\npath = "p"\nformat = "tsv"\ncolumns = ["text", "label"]\n'


@pytest.mark.parametrize("secret", [*AWKWARD, "x" * 200 + "end-of-secret", "ab"])
def test_errors_of_the_pipeline_file_show_the_name_and_nothing_of_the_value(secret: str) -> None:
    places = [
        '[score]\nbackend = "${SECRET}"',
        '[lineage]\nurl = "ftp ${SECRET}"',
        '[metrics]\npushgateway = "${SECRET}"',
        '[search]\narchitectures = ["${SECRET}", 1]',
        '[lineage]\nurl = "http:/u:${SECRET}@h"',
    ]
    with environment({}):
        for place in places:
            with pytest.raises(ConfigError) as caught:
                parse_pipeline(f"{GOOD}{place}\n", {"SECRET": secret})
            said = str(caught.value)
            assert "${SECRET}" in said or "received 1" in said or "'***" in said, said
            for form in (secret, repr(secret)[1:-1], secret[:50] if len(secret) > 50 else secret):
                assert len(form) < 6 or form == "${TOKEN}" or form not in said, said


def test_a_password_that_stands_in_the_file_is_masked_alone_and_in_its_address() -> None:
    with environment({}):
        parse_pipeline(f'{GOOD}[mlflow]\ntracking_uri = "https://ana:my password@ml.example"\n', {})
        assert masked("https://ana:my password@ml.example refused 'my password'") == "https://ml.example refused '***'"


BRACED = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), min_size=6, max_size=12)


@settings(deadline=None)
@given(BRACED, st.sampled_from(["jdbc:sqlserver://h:1;user=u;password={};x=1", "Server=h;Uid=u;Pwd={};x=1"]))
def test_a_password_in_braces_is_masked_in_its_address_and_alone(password: str, address: str) -> None:
    place = address.format("{" + password.replace("}", "}}") + "}")
    assert without_credentials(place) == without_credentials(f" {place}").strip() == address.format("***")
    assert password in credentials(place)


@pytest.mark.parametrize(
    ("place", "secret"),
    [
        ("jdbc:sqlserver://h;user=u;password={pass;word};x=1", "pass;word"),
        ("jdbc:sqlserver://h;password=hunter2@h;x=1", "hunter2@h"),
        ("wasbs://c@a.blob.example/x?sv=1&sig=hunter%2F2", "hunter/2"),
        ("sv=1&sig=hunter%2F2", "hunter/2"),
        ("jdbc:oracle:thin:scott/hunter2@h:1", "hunter2"),
        ('jdbc:oracle:thin:scott/"hunter 2"@h:1', "hunter 2"),
        ("jdbc:mysql://(host=h,user=u,password=hunter2)@h:1/x", "hunter2"),
        ("host=h password='hunter 2' user=u", "hunter 2"),
    ],
)
def test_a_password_of_the_file_is_masked_where_it_comes_alone(place: str, secret: str) -> None:
    with environment({}):
        parse_pipeline(f"{GOOD}[mlflow]\ntracking_uri = {json.dumps(place)}\n", {})
        assert masked(f"login failed for <{secret}>") == "login failed for <***>"
        for form in FORMS:
            assert secret not in masked(f"no: {form(secret)}")


@settings(deadline=None)
@given(st.text(alphabet="${}AB_1x\\", max_size=12) | st.text(st.characters(codec="utf-8"), max_size=20))
def test_a_literal_is_the_text_itself(text: str) -> None:
    quoted = json.dumps(literal(text), ensure_ascii=False).replace("\x7f", "\\u007f")
    with environment({}):
        found = parse_pipeline(f"{GOOD}[score]\ntext = {quoted}\n", {"A": "alpha", "B": "beta"})
    assert found.score.text == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("$${A}", "$alpha"),
        ("$$", "$$"),
        ("$A ${}", "$A ${}"),
        ("${$}{A}", "${A}"),
        ("${$}${A}", "$alpha"),
        ("$${$}{A}", "$${A}"),
    ],
)
def test_dollars_keep_their_meaning(written: str, meant: str) -> None:
    with environment({}):
        assert parse_pipeline(f'{GOOD}[score]\ntext = "{written}"\n', {"A": "alpha"}).score.text == meant


def test_the_digest_of_a_file_says_nothing_of_its_secrets() -> None:
    file = f'{GOOD}[lineage]\nurl = "https://u:${{P}}@${{HOST}}"\n[mlflow]\ntracking_uri = "https://h?token=%s"\n'
    digests = set()
    for secret, token in (("hunter2", "a"), ("12", "b"), ("correct horse", "cc")):
        with environment({}):
            digests.add(config_digest(parse_pipeline(file % token, {"P": secret, "HOST": f"host-{secret}"[:6]})))
    with environment({}):
        other = config_digest(parse_pipeline(file.replace('"p"', '"q"') % "a", {"P": "hunter2", "HOST": "host-h"}))
    assert len(digests | {other}) == 2
