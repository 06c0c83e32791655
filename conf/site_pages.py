"""MkDocs' hooks: pages of the site that live elsewhere in the project, and links that lead to them.

README.md, CONTRIBUTING.md and CHANGELOG.md stay where people look for them and are pages as well. A link to a file that
is no page, such as a notebook, becomes its name.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "manual.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links lead to pages; code is left as it is."""
    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(_linked, part) for part in parts)


def _linked(found: re.Match[str]) -> str:
    text, target = found["text"], found["target"]
    if "://" in target or target.startswith("#"):
        return found[0]
    path, anchor, place = target.removeprefix("../").removeprefix("docs/").partition("#")
    page = PAGES.get(path, path if path.endswith(".md") else None)
    return text if page is None else f"[{text}]({page}{anchor}{place})"
