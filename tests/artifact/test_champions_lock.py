"""Concurrent changes of a champion are never lost, on a local disk or on storage without file locks."""

import errno
import fcntl
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs

from tests.factories.artifacts import sample
from textclf.artifact import ModelStore
from textclf.errors import InputError


class ElsewhereStore(ModelStore):
    """A store whose file system is not recognized as local, like that of a URL."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._system, self._base = fs.SubTreeFileSystem(root, fs.LocalFileSystem()), ""

    def _path(self, relative: str) -> str:
        return relative.rstrip("/")


@pytest.fixture(params=[ModelStore, ElsewhereStore], ids=["disk", "elsewhere"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    made = ModelStore(str(tmp_path / "models"))
    for seed in range(4):
        made.save(sample(seed=seed))
    made.promote("yelp", "1")
    other: ModelStore = request.param(str(tmp_path / "models"))
    return other


def at_its_read(store: ModelStore, other: threading.Thread) -> None:
    """Start a change in another thread between the read and the write of the store's next change."""
    read, begun = store.champions, threading.Event()

    def champions(name: str) -> list[str]:
        found = read(name)
        if threading.current_thread() is not other and not begun.is_set():
            begun.set()
            other.start()
            other.join(0.3)  # with a lock it waits for its turn; without one it ends well before this
        return found

    store.champions = champions  # type: ignore[method-assign]


@pytest.mark.parametrize("first", ["promote", "roll back"])
@pytest.mark.parametrize("second", ["promote", "roll back"])
def test_of_two_changes_at_once_the_second_sees_the_first(store: ModelStore, first: str, second: str) -> None:
    store.promote("yelp", "2")
    store.promote("yelp", "3")
    changes: dict[str, Callable[[str], object]] = {
        "promote": lambda version: store.promote("yelp", version),
        "roll back": lambda version: store.roll_back("yelp"),  # noqa: ARG005
    }
    other = threading.Thread(target=changes[second], args=["1" if first == "promote" else "4"])
    at_its_read(store, other)

    changes[first]("4")
    other.join()

    either = {
        ("promote", "promote"): [["1", "4", "3", "2"]],
        ("promote", "roll back"): [["3", "2", "1"]],  # 4 was the champion when it was rolled back
        ("roll back", "promote"): [["4", "2", "1"]],
        ("roll back", "roll back"): [["1"]],
    }
    assert store.champions("yelp") in either[first, second]


def promote(root: str, version: str) -> None:
    ModelStore(root).promote("yelp", version)


def test_changes_of_many_processes_are_all_there(tmp_path: Path) -> None:
    root = str(tmp_path / "models")
    for seed in range(6):
        ModelStore(root).save(sample(seed=seed))
    context = multiprocessing.get_context("forkserver")
    writers = [context.Process(target=promote, args=[root, str(version)]) for version in range(1, 7)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(ModelStore(root).champions("yelp")) == [str(version) for version in range(1, 7)]


def test_a_writer_that_was_killed_blocks_nobody_for_long(tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path / "models"))
    store.save(sample())
    other = ElsewhereStore(store.root)
    claims = tmp_path / "models/yelp/.champion-claims"
    claims.mkdir()
    (claims / "dead").touch()
    os.utime(claims / "dead", (time.time() - 120,) * 2)

    other.promote("yelp", "1")

    assert list(claims.iterdir()) == []
    assert store.champion("yelp") == "1"
    assert store.names() == ["yelp"]
    assert store.versions("yelp") == ["1"]


def test_a_writer_whose_claim_was_taken_for_dead_has_promoted_all_the_same(tmp_path: Path) -> None:
    store = ElsewhereStore(ModelStore(str(tmp_path / "models")).root)
    store.save(sample())
    read, taken = store.champions, list[Path]()

    def champions(name: str) -> list[str]:
        for claim in tmp_path.glob("models/yelp/.champion-claims/*"):  # as the next writer would do after a minute
            claim.unlink()
            taken.append(claim)
        return read(name)

    store.champions = champions  # type: ignore[method-assign]
    store.promote("yelp", "1")

    assert taken
    assert read("yelp") == ["1"]


def test_the_lock_is_asked_of_a_file_that_may_be_written_to_as_nfs_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, flock, modes = ModelStore(str(tmp_path / "models")), fcntl.flock, list[int]()
    store.save(sample())

    def as_of_nfs(handle: int, how: int) -> None:
        modes.append(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", as_of_nfs)
    store.promote("yelp", "1")

    assert modes == [os.O_RDWR]
    assert not (tmp_path / "models/yelp/.champion-claims").exists()


def test_a_lock_file_of_another_user_on_nfs_leaves_the_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, opened, modes = ModelStore(str(tmp_path / "models")), os.open, list[int]()
    store.save(sample())
    (tmp_path / "models/yelp/.champion-lock").touch()

    def of_another(path: str, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith(".champion-lock") and flags & os.O_ACCMODE != os.O_RDONLY:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, flags, mode)

    def as_of_nfs(handle: int, how: int) -> None:
        modes.append(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE)
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(os, "open", of_another)
    monkeypatch.setattr(fcntl, "flock", as_of_nfs)
    store.promote("yelp", "1")

    assert modes == [os.O_RDONLY]
    assert store.champion("yelp") == "1"
    assert (tmp_path / "models/yelp/.champion-claims").is_dir()


def test_rolling_back_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no earlier champion"):
        ModelStore(str(tmp_path / "models")).roll_back("yelp")
    assert list(tmp_path.iterdir()) == []
