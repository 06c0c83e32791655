"""Steps of a run as tests watch them at a terminal: ``python -m tests.common.console_process WHAT``."""

import os
import sys
import threading
import time
from collections.abc import Callable

from textclf.common import console
from textclf.common.logs import say, use_format


def rows() -> None:
    with console.step("score", total=2_000_000) as step:
        for done in range(0, 2_000_001, 200_000):
            step.update(done, note="a note")
            time.sleep(0.4)


def nested() -> None:
    with console.step("models"), console.step("search", unit="trials") as step:
        step.update(3, 45)
        time.sleep(0.4)


def beside() -> None:
    def work(name: str) -> None:
        with console.step(name) as step:
            step.update(5)
            time.sleep(0.4)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("2026-01-31", "2026-02-01")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def failing() -> None:
    with console.step("ingest"):
        time.sleep(0.3)
        raise SystemExit(3)


def messages() -> None:
    path = "/a/long/path" * 12
    with console.step("ingest") as step:
        step.update(7)
        time.sleep(0.2)
        say(f"a message with {path}", "warning")
        sys.stderr.write("a library's line\n")
        time.sleep(0.2)
    say("an error", "error")


def tasks() -> None:
    with console.step("a step with a name that is far too long for a line of forty columns") as step:
        step.one_stage = True
        step.watch((1, 4))
        time.sleep(0.4)


def lost() -> None:
    with console.step("ingest"):
        time.sleep(0.3)
        os.close(2)  # as if the terminal were closed
        time.sleep(0.5)
    with console.step("vocabulary"):
        time.sleep(0.3)
    sys.stdout.write("done\n")


def in_json() -> None:
    use_format("json")
    messages()


def for_programs() -> None:
    console.for_programs(chosen=True)
    messages()


if __name__ == "__main__":
    found: Callable[[], None] = globals()[sys.argv[1]]
    found()
