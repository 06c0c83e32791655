"""``textclf completion``: print a shell script that completes commands and options without starting Python."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

_BASH = """\
# textclf completion bash: source <(textclf completion bash)
_textclf() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" path="" word
    COMPREPLY=()
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$path $word" in
{descend}
        esac
    done
    case "$previous" in
        --config|--models|--output|--score) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
    case "$path" in
{offers}
    esac
    if [ ${{#COMPREPLY[@]}} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}}
complete -o filenames -F _textclf textclf
"""
_ZSH = """\
# textclf completion zsh: source <(textclf completion zsh)
autoload -Uz compinit && compinit
autoload -U +X bashcompinit && bashcompinit
"""


def add(commands: Any) -> None:
    """Add the command."""
    about = "Print a completion script: source <(textclf completion bash)"
    made = commands.add_parser("completion", help="print a completion script for a shell", description=about)
    made.add_argument("shell", choices=("bash", "zsh"))
    made.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from textclf.cli.main import parser

    sys.stdout.write((_ZSH if args.shell == "zsh" else "") + script(parser()))
    return 0


def script(made: argparse.ArgumentParser) -> str:
    """Return the bash completion script of a parser and all its subparsers."""
    descend, offers = [], []
    for path, each in _walk("", made):
        words = [option for action in each._actions for option in action.option_strings if option.startswith("--")]
        for action in each._actions:
            if action.choices is not None and not action.option_strings:
                words += list(action.choices)
        if path:
            parent, _, name = path.rpartition(" ")
            descend.append(f'            "{parent} {name}") path="{path}" ;;')
        offers.append(f'        "{path}") COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$current")) ;;')
    return _BASH.format(descend="\n".join(descend), offers="\n".join(offers))


def _walk(path: str, made: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield path, made
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, each in action.choices.items():
                yield from _walk(f"{path} {name}", each)
