"""Every command in the documents' code blocks exists and accepts its flags."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import ROOT, check_command
from tests.docs.documents import DOCUMENTS

_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_PLACEHOLDERS = ("[spark-submit's own options]", "...")


def commands(document: Path) -> Iterator[str]:
    """Yield the lines of a document's code blocks without a language, joined with their continuation lines."""
    blocks = _BLOCK.findall(document.read_text(encoding="utf-8"))
    for block in (block for language, block in blocks if not language):
        yield from (line.strip() for line in re.sub(r"\\\n\s*", "", block).splitlines())


LINES = [(str(document.relative_to(ROOT)), line) for document in DOCUMENTS for line in commands(document)]
OURS = [
    pytest.param(line, id=f"{name}: {line}")
    for name, line in dict.fromkeys(LINES)
    if re.match(r"(\./spark-submit\.sh|textclf) ", line) and not any(each in line for each in _PLACEHOLDERS)
]


def test_there_are_commands() -> None:
    assert len(OURS) > 30


@pytest.mark.parametrize("line", OURS)
def test_it_is_a_command_of_ours(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert check_command(line, capfd)


def test_targets_and_scripts_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for _, line in LINES if line.startswith("make ")}
    scripts = {line.split()[1] for _, line in LINES if re.match(r"python \S+\.py", line)}

    assert named
    assert named - targets == set()
    assert [script for script in scripts if not (ROOT / script).is_file()] == []
