"""Hooks for MkDocs: pages of the site that are elsewhere in the project, and links to them.

README.md, CONTRIBUTING.md and CHANGELOG.md stay where people look for them and are pages as well, README the first.
Links are written as they work in the repository; a link to a file that is not a page, such as a notebook, becomes its
name.
"""

import posixpath
import re
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_FILES = {page: source for source, page in PAGES.items()}
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead to pages; code is left as it is."""
    parts = _FENCE.split(markdown)
    linked = partial(_linked, own=page.file.src_uri)
    return "".join(part if part.startswith("```") else _LINK.sub(linked, part) for part in parts)


def _linked(found: re.Match[str], own: str) -> str:
    """A link of the page ``own`` as the site needs it."""
    text, target = found["text"], found["target"]
    if "://" in target or target.startswith("#"):
        return found[0]
    path, anchor, place = target.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(_FILES.get(own, f"docs/{own}")), path))
    page = PAGES.get(file, file.removeprefix("docs/") if file.startswith("docs/") else "")
    if not page.endswith(".md"):
        return text
    return f"[{text}]({posixpath.relpath(page, posixpath.dirname(own) or '.')}{anchor}{place})"
