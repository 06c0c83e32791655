"""``textclf completion``: a script with which a shell completes commands, options and places, made by shtab."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

SHELLS = ("bash", "zsh", "fish", "tcsh")
_PLACES = {"FILE", "FOLDER", "TABLE", "FOLDER_OR_TABLE"}  # metavars of what is on a disk
# ``eval`` works in an account without start files, too, where no completion has been set up.
_SET_UP = {"zsh": "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"}


def add(commands: Any) -> None:
    """Add the command."""
    about = 'Print a completion script: eval "$(textclf completion bash)"'
    made = commands.add_parser("completion", help="print a completion script for a shell", description=about)
    made.add_argument("shell", choices=SHELLS)
    made.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from textclf.cli.main import parser

    sys.stdout.write(script(parser(), args.shell))
    return 0


def script(made: argparse.ArgumentParser, shell: str) -> str:
    """The completion of a parser and all parsers below it.

    Args:
        made: Parser of the command line.
        shell: One of ``SHELLS``.
    """
    import shtab

    for each in _with_subparsers(made):
        for action in each._actions:
            if action.metavar in _PLACES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    text = str(shtab.complete(made, shell=shell, preamble=_SET_UP.get(shell, "")))
    # Bash then escapes blanks in the names of files.
    return text.replace("complete -o bashdefault -F", "complete -o filenames -o bashdefault -F")


def _with_subparsers(made: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield made
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _with_subparsers(each)
