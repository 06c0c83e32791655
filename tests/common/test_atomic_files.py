"""Files and folders on a shared machine: permissions, names that are already taken, users without a home."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from textclf.common.atomic_files import PRIVATE, has_account, has_home, made_aside, replace_file, umask, user_folder
from textclf.common.plain_paths import is_plain, plain_folder
from textclf.errors import TextclfError
from textclf.spark.java import AccountError, check_account


@contextmanager
def with_umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("taken", "expected"), [(0o022, 0o644), (0o002, 0o644), (0o000, 0o644), (0o027, 0o640), (0o077, 0o600)]
)
def test_files_follow_the_umask_and_are_written_by_their_owner_alone(tmp_path: Path, taken: int, expected: int) -> None:
    with with_umask(taken):
        assert umask() == taken
        replace_file(tmp_path / "report.html", "texts")
        replace_file(tmp_path / "report.html", "again")
        replace_file(tmp_path / "code", b"x", PRIVATE)

    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == expected
    assert stat.S_IMODE((tmp_path / "code").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["code", "report.html"]


def test_a_file_takes_its_place_when_all_of_it_is_made_and_not_after_an_error(tmp_path: Path) -> None:
    place = tmp_path / ("ü" * 127)  # the longest possible name
    with made_aside(place) as aside:
        aside.write_text("first")
        assert not place.exists()
    with suppress(KeyboardInterrupt), made_aside(place) as aside:
        aside.write_text("half")
        raise KeyboardInterrupt
    with suppress(ValueError), made_aside(place):
        raise ValueError("nothing made")

    assert place.read_text() == "first"
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_takes_the_place_of_an_empty_one_only(tmp_path: Path) -> None:
    def make() -> None:
        with made_aside(tmp_path / "jars") as aside:
            aside.mkdir()
            (aside / "a.jar").write_text("jar")

    for _ in range(2):
        make()
        (tmp_path / "jars" / "a.jar").unlink()
    (tmp_path / "jars" / "mine").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        make()

    assert sorted(map(str, tmp_path.rglob("*"))) == [str(tmp_path / "jars"), str(tmp_path / "jars" / "mine")]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, where the user has no usable cache folder."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", "nowhere")  # not absolute, like the ~ of a user without a home
    return tmp_path / "tmp"


@pytest.mark.parametrize("squatter", ["a file", "a link", "everybody's", "another user's"])
def test_a_folder_that_somebody_else_has_made_is_not_taken(
    temporary: Path, tmp_path: Path, squatter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = temporary / f"textclf-{os.geteuid()}"
    if squatter == "a file":
        taken.write_text("")
    elif squatter == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o777)
        (tmp_path / "elsewhere").chmod(0o777)
        taken.symlink_to(tmp_path / "elsewhere")
    else:
        taken.mkdir()
        taken.chmod(0o777)
        if squatter == "another user's":
            if os.geteuid():
                pytest.skip("only root can give a folder away")
            os.chown(taken, 54321, 54321)
            taken.chmod(0o755)

    found = user_folder("cache")

    assert found == temporary / f"textclf-{os.geteuid()}-1" / "cache"
    assert stat.S_IMODE(found.stat().st_mode) == stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    assert user_folder("cache") == found


def test_where_all_names_are_taken_there_is_no_folder(temporary: Path) -> None:
    for suffix in ("", *(f"-{number}" for number in range(1, 20))):
        (temporary / f"textclf-{os.geteuid()}{suffix}").write_text("")

    assert user_folder("cache") is None


def test_a_home_is_one_that_can_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert has_home()
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert not has_home()
    monkeypatch.setenv("HOME", "~")
    assert not has_home()


def test_a_user_without_an_account_is_told_before_java_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_account()
    check_account()
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_123)
    assert not has_account()
    with pytest.raises(AccountError, match="user 4000000123"):
        check_account()


HOSTILE = [
    "a,b",
    "[x]",
    "{y}",
    "back\\slash",
    "%41",
    "#h",
    "?q",
    "*s",
    "'q'",
    '"d"',
    "é東",
    "a:b",
    "$HOME;&",
    "line\nfeed",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_folder_that_sparks_options_cannot_name_has_a_link(tmp_path: Path, temporary: Path, name: str) -> None:
    folder = tmp_path / name / "build"
    folder.mkdir(parents=True)
    (folder / "x.jar").write_text("jar")

    link = plain_folder(folder)

    assert is_plain(link)
    assert not is_plain(folder)
    assert link.resolve() == folder.resolve()
    assert (link / "x.jar").read_text() == "jar"
    assert plain_folder(folder) == link
    assert plain_folder(tmp_path / name) != link


def test_plain_folders_stay_as_they_are(tmp_path: Path) -> None:
    for name in ("a", "a b", "a.b_c-d+e@f=g~h"):
        assert plain_folder(tmp_path / name) == tmp_path / name


def test_a_link_that_leads_elsewhere_is_not_followed(tmp_path: Path, temporary: Path) -> None:
    folder, other = tmp_path / "a,b", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    link = plain_folder(folder)
    link.unlink()
    link.symlink_to(other)

    try:
        again = plain_folder(folder)
    except TextclfError:
        return
    assert again.resolve() == folder.resolve()
    again.unlink()  # the link is in /tmp itself
