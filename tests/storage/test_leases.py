"""Each day of a table has one run at a time, however that run ends."""

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from textclf.errors import LockError
from textclf.storage.delta_log import identity
from textclf.storage.leases.locks import UPKEEP, Lease, LockLog, Locks, lock_name, locked

Wait = Callable[[threading.Event, float], bool]
DAY, NEXT = date(2026, 1, 31), date(2026, 2, 1)


@contextmanager
def run(
    spark: SparkSession, folder: Path, name: str = "run", lease: float = 60, wait: Wait = threading.Event.wait
) -> Iterator[Locks]:
    with locked(spark, str(folder), "results", name, "score_table", lease, wait=wait) as locks:
        yield locks


def state(spark: SparkSession, folder: Path, day: date = DAY) -> tuple[int, Lease | None]:
    return LockLog(spark, f"{folder}/{lock_name('results', day)}").newest()


def test_all_spellings_of_a_table_have_the_same_locks(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "real warehouse").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real warehouse")
    spellings = [
        f"{before}{tmp_path}/{folder}/results{after}"
        for before in ("", "file:", "file://")
        for folder in ("real warehouse", "link", "/real warehouse")
        for after in ("", "/")
    ]
    assert {identity(spark, each) for each in spellings} == {f"{tmp_path}/real warehouse/results"}
    assert identity(spark, "Some.Results") == identity(spark, "some.results")
    first, *others = spellings
    with locked(spark, str(tmp_path), first, "one", "score_table", 60) as one:
        one.take([DAY])
        for other in others:
            with locked(spark, str(tmp_path), other, "other", "score_table", 60) as two, pytest.raises(LockError):
                two.take([DAY])


def test_a_day_has_one_run_and_other_days_do_not_wait(spark: SparkSession, tmp_path: Path) -> None:
    with run(spark, tmp_path, "first") as first:
        first.take([DAY])
        first.take([DAY, None])  # it keeps its own lock
        with run(spark, tmp_path, "second") as second:
            second.take([NEXT])
            with pytest.raises(LockError) as error:
                second.take([DAY])
            assert error.value.exit_code == 5
            assert "received: run first of score_table, process" in str(error.value)
            second.check()
    with run(spark, tmp_path, "third") as third:
        third.take([DAY, NEXT, None])  # all were released
        assert third.abandoned == []


def test_of_many_at_once_one_gets_it(spark: SparkSession, tmp_path: Path) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        runs = [stack.enter_context(run(spark, tmp_path, f"run{number}")) for number in range(8)]

        def attempt(locks: Locks) -> bool:
            try:
                locks.take([DAY])
            except LockError:
                return False
            return True

        assert sum(pool.map(attempt, runs)) == 1


def test_a_lock_is_kept_alive_and_its_log_is_a_delta_table(spark: SparkSession, tmp_path: Path) -> None:
    taken, renewed, turns = threading.Event(), threading.Event(), itertools.count()

    def wait(ended: threading.Event, seconds: float) -> bool:
        if next(turns) == 0:
            return not taken.wait(20)  # the first renewal is due once a lock is taken
        renewed.set()
        return ended.wait(seconds)

    with run(spark, tmp_path, wait=wait) as locks:
        locks.take([DAY])
        _, before = state(spark, tmp_path)
        taken.set()
        assert renewed.wait(20)
        locks.check()
        number, lease = state(spark, tmp_path)
        assert number >= 1
        assert lease is not None
        assert not lease.free
        assert before is not None
        assert lease.expires > before.expires
    history = spark.sql(f"DESCRIBE HISTORY delta.`{tmp_path}/{lock_name('results', DAY)}`").orderBy("version")
    *during, last = [row["operation"] for row in history.collect()]
    assert (set(during), last) == ({"LOCK"}, "UNLOCK")


def forge(spark: SparkSession, folder: Path, **changes: object) -> None:
    """Write a copy of the lock's newest commit with these changes."""
    number, lease = state(spark, folder)
    assert lease is not None
    log = LockLog(spark, f"{folder}/{lock_name('results', DAY)}")
    assert log.commit(number + 1, dataclasses.replace(lease, **changes))  # type: ignore[arg-type]


def test_a_run_that_stalls_loses_its_lock_and_does_not_publish(spark: SparkSession, tmp_path: Path) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    with run(spark, tmp_path, "stalled") as stalled:
        stalled.take([DAY])
        forge(spark, tmp_path, expires=past)
        with run(spark, tmp_path, "other") as other:
            other.take([DAY])
            assert [(lease.run_id, day) for lease, day in other.abandoned] == [("stalled", DAY)]
            # If it is killed before it records that, its successor finds both runs.
            forge(spark, tmp_path, expires=past)
            with run(spark, tmp_path, "third") as third:
                third.take([DAY])
                assert [lease.run_id for lease, _ in third.abandoned] == ["stalled", "other"]
                third.recorded()
                assert third.abandoned == []
            with run(spark, tmp_path, "fourth") as fourth:
                fourth.take([DAY])
                assert fourth.abandoned == []
            with pytest.raises(LockError, match="it lost its lock to another run"):
                stalled.check()
    assert state(spark, tmp_path)[1] is not None


def test_a_lease_of_another_machine_is_only_free_when_it_ends(spark: SparkSession, tmp_path: Path) -> None:
    with run(spark, tmp_path, "elsewhere") as locks:
        locks.take([DAY])
        forge(spark, tmp_path, process="another-machine 1", pid=1)
        with run(spark, tmp_path) as other, pytest.raises(LockError):
            other.take([DAY])


def test_the_lock_of_a_killed_process_of_this_machine_is_free_at_once(spark: SparkSession, tmp_path: Path) -> None:
    if not Path("/proc/sys/kernel/random/boot_id").exists():
        pytest.skip("needs /proc: elsewhere the lease has to end")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        code = "import sys; from textclf.storage.leases.lease import process_name as p; print(p(int(sys.argv[1])))"
        seen = subprocess.run(
            [sys.executable, "-c", code, str(process.pid)], capture_output=True, text=True, check=True
        )
        with run(spark, tmp_path, "victim") as locks:
            locks.take([DAY])
            forge(spark, tmp_path, process=seen.stdout.strip(), pid=process.pid)
            with run(spark, tmp_path) as other, pytest.raises(LockError):
                other.take([DAY])
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            with run(spark, tmp_path) as other:
                other.take([DAY])
                assert [lease.run_id for lease, _ in other.abandoned] == ["victim"]
    finally:
        process.kill()
        process.wait()


TORN = {
    "no length": b"",
    "cut": b'{"commitInfo": {"timestamp": 1, "userMeta',
    "zeros": bytes(400),
    "no text": b"\xff\xfe\x00",
    "another table's": b'{"commitInfo": {"timestamp": 1, "operation": "WRITE"}}\n',
    "a list": b'{"commitInfo": {"userMetadata": "[1]"}}\n',
    "times without a zone": b'{"commitInfo": {"userMetadata": "{\\"expires\\": \\"2026-01-01\\"}"}}\n',
}


def test_a_commit_that_cannot_be_read_ends_one_lease_after_it_was_stored(spark: SparkSession, tmp_path: Path) -> None:
    for at, (name, content) in enumerate(TORN.items()):
        day = DAY + timedelta(days=at)
        with run(spark, tmp_path, "before") as before:
            before.take([day])
        log = tmp_path / lock_name("results", day) / "_delta_log"
        torn = log / f"{len(list(log.glob('*.json'))):020d}.json"
        torn.write_bytes(content)
        with run(spark, tmp_path, "early") as early, pytest.raises(LockError) as error:
            early.take([day])
        assert "run before of score_table" in str(error.value), name
        old = time.time() - 61
        os.utime(torn, (old, old))
        with run(spark, tmp_path, "later") as later:
            later.take([day])
            later.check()
            # The torn commit most likely came from that run, which is recorded unless it already has a record.
            assert [lease.run_id for lease, _ in later.abandoned] == ["before"], name
            later.recorded()
        number, lease = state(spark, tmp_path, day)
        assert lease is not None
        assert (number, lease.run_id, lease.held) == (4, "later", False), name


def test_a_lock_without_a_commit_that_can_be_read_is_free_after_a_lease(spark: SparkSession, tmp_path: Path) -> None:
    log = tmp_path / lock_name("results", DAY) / "_delta_log"
    log.mkdir(parents=True)
    torn = log / f"{0:020d}.json"
    torn.touch()
    with run(spark, tmp_path, "early") as early, pytest.raises(LockError, match="run unknown"):
        early.take([DAY])
    old = time.time() - 61
    os.utime(torn, (old, old))
    with run(spark, tmp_path, "later") as later:
        later.take([DAY])
        assert later.abandoned == []


def test_a_lease_of_a_later_release_is_understood(spark: SparkSession, tmp_path: Path) -> None:
    with run(spark, tmp_path, "now") as locks:
        locks.take([DAY])
        number, lease = state(spark, tmp_path)
        assert lease is not None
        kept = dataclasses.asdict(lease) | {"fence": 7, "region": {"name": "eu"}}
        kept["orphans"] = [kept | {"run_id": "dead", "orphans": []}, {"of": "another age"}]
        line = json.dumps({"commitInfo": {"userMetadata": json.dumps(kept)}})
        log = tmp_path / lock_name("results", DAY) / "_delta_log"
        (log / f"{number + 1:020d}.json").write_text(line + "\n")
        with run(spark, tmp_path, "other") as other, pytest.raises(LockError, match="run now of score_table"):
            other.take([DAY])
        (log / f"{number + 2:020d}.json").write_text(line.replace(lease.expires, "2026-01-01T00:00:00+00:00") + "\n")
        with run(spark, tmp_path, "later") as later:
            later.take([DAY])
            assert [lease.run_id for lease, _ in later.abandoned] == ["dead", "now"]


class Trimmed(LockLog):
    """A log whose commits are removed, as upkeep does, right after the first listing."""

    listed = 0

    def _commits(self, since: int = 0) -> dict[int, datetime]:
        found = super()._commits(since)
        self.listed += 1
        if self.listed == 1:
            newest, lease = LockLog.newest(self._other)
            assert lease is not None
            assert self._other.commit(newest + 1, dataclasses.replace(lease, held=False))
            assert self._other.trim(newest + 1) == len(found)
        return found

    def __init__(self, spark: SparkSession, path: str) -> None:
        super().__init__(spark, path)
        self._other = LockLog(spark, path)


def test_commits_that_upkeep_removes_while_they_are_looked_at_are_listed_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    with run(spark, tmp_path) as locks:
        locks.take([DAY])
    path = f"{tmp_path}/{lock_name('results', DAY)}"
    before, _ = LockLog(spark, path).newest()
    number, lease = Trimmed(spark, path).newest()
    assert number == before + 1
    assert lease is not None
    assert lease.free


PAST = "2026-01-01T00:00:00+00:00"


def test_of_many_locks_one_is_renewed_and_keeps_all_of_them(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [DAY + timedelta(days=at) for at in range(30)]
    commit, written = LockLog.commit, list[str]()

    def slow(log: LockLog, number: int, lease: Lease) -> bool:
        written.append(lease.run_id)
        if len(written) == len(days):  # storage is slow for the last day
            with ThreadPoolExecutor(1) as pool:
                pool.submit(many._renew).result(20)  # the renewal does not wait for it
        return commit(log, number, lease)

    monkeypatch.setattr(LockLog, "commit", slow)
    with run(spark, tmp_path, "many", lease=3600) as many:
        many.take(days)
        assert len(written) == len(days) + 1
        many._renew()
        assert len(written) == len(days) + 2  # one commit renews all
        # Make the other locks' own leases expire, as they do after hours.
        for day in days[1:]:
            name = f"{tmp_path}/{lock_name('results', day)}"
            (file,) = Path(name, "_delta_log").glob("*.json")
            _, lease = state(spark, tmp_path, day)
            assert lease is not None
            assert lease.kept_by == lock_name("results", DAY)
            line = file.read_text().splitlines()[0]
            old = json.loads(json.loads(line)["commitInfo"]["userMetadata"])["expires"]
            file.write_text(file.read_text().replace(old, PAST))
            (file.parent / f".{file.name}.crc").unlink(missing_ok=True)
        with run(spark, tmp_path, "other") as other:
            for day in days:
                with pytest.raises(LockError, match="run many of score_table"):
                    other.take([day])
        many.check()
        forge(spark, tmp_path, expires=PAST)  # the first lock's lease, which covers all
        with run(spark, tmp_path, "next") as after:
            after.take(days[3:5])
            assert [lease.run_id for lease, _ in after.abandoned] == ["many"] * 2
            with pytest.raises(LockError, match="it lost its lock to another run"):
                many.check()
    with run(spark, tmp_path, "last") as last:
        last.take(days[5:8])  # they were released
        assert last.abandoned == []


@pytest.mark.parametrize("slow", [0.0, 1.0, 19.0, 25.0])
def test_renewals_begin_a_third_of_a_lease_apart_however_slow_a_write_is(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: float
) -> None:
    now, begun, pauses = [0.0], list[float](), list[float]()

    def renew() -> None:
        begun.append(now[0])
        now[0] += slow

    def wait(ended: threading.Event, seconds: float) -> bool:
        pauses.append(seconds)
        now[0] += seconds
        return len(begun) == 4

    locks = Locks(spark, str(tmp_path), "results", "run", "score_table", 60.0, clock=lambda: now[0], wait=wait)
    monkeypatch.setattr(locks, "_renew", renew)
    locks._keep_alive()
    apart = [after - before for before, after in itertools.pairwise(begun)]
    assert apart == [max(20.0, slow)] * 3
    # A renewal is visible once it is written, which is always before the previous one expires.
    assert max(apart) + slow < 60.0


def test_a_lock_whose_first_has_gone_to_another_run_is_free(spark: SparkSession, tmp_path: Path) -> None:
    with run(spark, tmp_path, "many") as many:
        many.take([DAY, NEXT])
        forge(spark, tmp_path, expires=PAST)
        with run(spark, tmp_path, "other") as other:
            other.take([DAY])
            _, lease = state(spark, tmp_path, NEXT)
            assert lease is not None
            assert lease.kept_by == lock_name("results", DAY)
            assert lease.free
        with pytest.raises(LockError):
            many.check()


@pytest.mark.parametrize("renewed", [True, False])
def test_a_renewal_that_was_stored_though_storage_failed_costs_no_lock(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, renewed: bool
) -> None:
    commit = LockLog.commit

    def failing(log: LockLog, number: int, lease: Lease) -> bool:
        commit(log, number, lease)
        raise Py4JError("the answer was lost")

    with run(spark, tmp_path) as locks:
        locks.take([DAY])
        with monkeypatch.context() as patched:
            patched.setattr(LockLog, "commit", failing)
            with pytest.raises(Py4JError):
                locks._renew()
        if renewed:
            locks._renew()
            locks.check()
    locks.check()  # the lock was released as its own
    number, lease = state(spark, tmp_path)
    assert lease is not None
    assert not lease.held
    log = LockLog(spark, f"{tmp_path}/{lock_name('results', DAY)}")
    assert [log.number(), log.number(number), log.number(number + 1)] == [number, number, -1]
    with run(spark, tmp_path) as other:
        other.take([DAY])
        assert other.abandoned == []


def test_who_publishes_waits_for_upkeep_and_for_nobody_who_is_dead(spark: SparkSession, tmp_path: Path) -> None:
    with run(spark, tmp_path) as waiting, ThreadPoolExecutor(1) as pool:
        waiting.take([DAY])
        with run(spark, tmp_path, "upkeep") as upkeep:
            upkeep.take([UPKEEP])
            done = pool.submit(waiting.await_free, UPKEEP)
            with pytest.raises(TimeoutError):
                done.result(0.3)
        done.result(5)
        with run(spark, tmp_path, "dead") as dead:
            dead.take([UPKEEP])
            log = LockLog(spark, f"{tmp_path}/{lock_name('results', UPKEEP)}")
            number, lease = log.newest()
            assert lease is not None
            assert log.commit(number + 1, dataclasses.replace(lease, expires=PAST))
            waiting.await_free(UPKEEP)
