"""``textclf``: one parser for all commands; each command imports what it needs when it runs."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from textclf._version import __version__
from textclf.cli import check, completion, init, models, predict, query
from textclf.cli.model_args import use_settings
from textclf.common.terminal import visible, write_anything
from textclf.errors import TextclfError

COMMANDS = (predict, models, query, init, check, completion)
_ABOUT = "Text classification at table scale: the commands for use at a terminal."
_MORE = (
    "Start jobs on Spark with ./spark-submit.sh JOB --config FILE. Exit codes: 0 success, 2 an error in the command "
    "line or the pipeline file, 3 an error in the input, 1 any other error."
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = argparse.ArgumentParser(prog="textclf", description=_ABOUT, epilog=_MORE)
    made.add_argument("--version", action="version", version=f"textclf {__version__}")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    write_anything()
    args = parser().parse_args(argv)
    try:
        use_settings(args)
        code: int = args.run(args)
        sys.stdout.flush()
    except TextclfError as error:
        _say(f"textclf {args.command}: {error}")
        return error.exit_code
    except BrokenPipeError:
        # The reader has closed the pipe, as head does. Without this, Python would report an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, the convention of shells
    except Exception as error:  # noqa: BLE001 - the outermost frame: Python's own traceback would not mask secrets
        _say("".join(traceback.format_exception(error)))
        return 1
    return code


def _say(text: str) -> None:
    from textclf.common.secrets import masked

    sys.stderr.write(visible(masked(text), lines=True).rstrip("\n") + "\n")
