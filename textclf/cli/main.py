"""``textclf``: the parser of all commands.

A command's module is imported when the command is asked for, and what the command needs when it runs.
"""

import argparse
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from textclf._version import __version__
from textclf.cli.model_args import use_settings
from textclf.common.terminal import visible, write_anything
from textclf.errors import TextclfError

COMMANDS = ("predict", "models", "query", "init", "check", "completion")
"""Names of the commands and of their modules."""
_GC_THRESHOLD = 50_000  # instead of 700: what a command imports stays, and looking for garbage in it takes time
_ABOUT = "Text classification at table scale: the commands for use at a terminal."
_MORE = (
    "Start jobs on Spark with ./spark-submit.sh JOB --config FILE. Exit codes: 0 success, 2 an error in the command "
    "line or the pipeline file, 3 an error in the input, 1 any other error."
)


def parser(asked: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of the commands.

    Args:
        asked: Commands that it has to know; by default all.
    """
    made = argparse.ArgumentParser(prog="textclf", description=_ABOUT, epilog=_MORE)
    made.add_argument("--version", action="version", version=f"textclf {__version__}")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in asked:
        import_module(f"textclf.cli.{name}").add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: Command line; None for that of the process, which then has nothing else to do.
    """
    write_anything()
    words = sys.argv[1:] if argv is None else argv
    args = parser([words[0]] if words and words[0] in COMMANDS else COMMANDS).parse_args(words)
    args.own_process = argv is None
    if args.own_process:
        gc.set_threshold(_GC_THRESHOLD)
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
