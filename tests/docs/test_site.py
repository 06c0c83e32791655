"""The documentation site builds without a warning, and its links are valid."""

import importlib.util
import os
import posixpath
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.commands import ROOT


class Names(HTMLParser):
    """Collects the targets of a page's links and the names that links can lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        self.names.add(found.get("id") or "")


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: the extra docs")
def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]

    environ = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # as in make docs; the notice is about other versions
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    pages = {str(path.relative_to(tmp_path / "site")): Names() for path in (tmp_path / "site").rglob("*.html")}
    for name, page in pages.items():
        page.feed((tmp_path / "site" / name).read_text(encoding="utf-8"))
    # The site has reference entries from the docstrings, and pages from elsewhere in the project.
    assert "textclf.Classifier.predict_proba" in pages["reference.html"].names
    assert "three-commands" in pages["index.html"].names  # README is the first page
    assert "the-pipeline-file" in pages["manual/pipeline-file.html"].names
    broken = [(name, link) for name, page in pages.items() for link in page.links if not leads(pages, name, link)]
    assert broken == []


def leads(pages: dict[str, Names], name: str, link: str) -> bool:
    """Return whether a link leads to an existing page and anchor; external links are not checked."""
    found = re.fullmatch(r"([\w./-]+\.html)?(?:#(.*))?", link)
    if found is None:
        return True
    target = posixpath.normpath(posixpath.join("/", posixpath.dirname(name), found[1]))[1:] if found[1] else name
    return target in pages and (found[2] or "") in pages[target].names | {""}
