"""``textclf``: one parser over all commands; each imports what it needs when it runs."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from textclf._version import __version__
from textclf.cli import check, completion, init, models, predict, query
from textclf.common.terminal import visible, write_anything
from textclf.errors import TextclfError

COMMANDS = (predict, models, query, init, check, completion)
_ABOUT = "Text classification at table scale: the parts of it that a person at a terminal needs."
_MORE = (
    "Jobs on Spark are started by ./spark-submit.sh JOB --config FILE. Exit codes: 0 done, 2 command line or pipeline\
 file, 3 input, 1 anything else."
)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = argparse.ArgumentParser(prog="textclf", description=_ABOUT, epilog=_MORE)
    made.add_argument("--version", action="version", version=f"textclf {__version__}")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    write_anything()
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except TextclfError as error:
        _say(f"textclf {args.command}: {error}")
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough, as head does; Python would complain at its end otherwise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells have it
    except Exception as error:  # noqa: BLE001 - the outermost frame: Python would print what the environment holds
        _say("".join(traceback.format_exception(error)))
        return 1
    return code


def _say(text: str) -> None:
    from textclf.common.secrets import masked

    sys.stderr.write(visible(masked(text), lines=True).rstrip("\n") + "\n")
