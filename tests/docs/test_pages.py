"""The documents have the sizes and forms that they promise, and every file and heading that they name exists."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import textclf
from tests.commands import ROOT
from tests.docs.documents import DOCUMENTS
from textclf.config import Pipeline

TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in [*DOCUMENTS, ROOT / "CHANGELOG.md"]}
DECISIONS = sorted(name for name in TEXTS if name.startswith("docs/decisions/0"))
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PATH = re.compile(r"(?:textclf|tests|jobs|conf|docs|benchmarks|notebooks)(?:/[\w.-]+)+/?|textclf(?:\.\w+)+")
PLACEHOLDER = re.compile(r"NAME|NNNN")


@pytest.mark.parametrize(("name", "lines"), [("README.md", 150), ("docs/architecture.md", 60)])
def test_the_first_pages_stay_short(name: str, lines: int) -> None:
    assert len(TEXTS[name].splitlines()) <= lines


def test_a_decision_has_a_context_and_consequences_on_one_screen() -> None:
    index = TEXTS["docs/decisions/index.md"]

    assert len(DECISIONS) >= 20
    for name in DECISIONS:
        number, title = re.match(r"# (\d{4}) (.+)\n", TEXTS[name]).groups()  # type: ignore[union-attr]
        assert Path(name).name.startswith(f"{number}-")
        assert re.findall(r"^## (.+)$", TEXTS[name], re.MULTILINE) == ["Context", "Decision", "Consequences"], name
        assert len(TEXTS[name].splitlines()) <= 40, name
        assert f"| {number} | [{title}]({Path(name).name}) |" in index


@pytest.mark.parametrize("name", TEXTS)
def test_its_links_lead_to_files_and_headings(name: str) -> None:
    links = [link for link in _LINK.findall(_FENCE.sub("", TEXTS[name])) if "://" not in link]

    assert [link for link in links if not leads(ROOT / name, link)] == []


def leads(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path).resolve() if path else document
    return target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "CHANGELOG.md"])
def test_the_files_and_modules_that_it_names_are_there(name: str) -> None:
    spans = [span for span in _SPAN.findall(TEXTS[name]) if _PATH.fullmatch(span) and not PLACEHOLDER.search(span)]

    assert [span for span in spans if not is_there(span)] == []


def is_there(named: str) -> bool:
    """Return whether a path, a module or a name in a module exists in this project."""
    if "/" in named:
        return (ROOT / named).exists()
    first, *rest = named.split(".")
    if rest[0] in textclf.__all__:
        return True
    modules = [ROOT.joinpath(first, *rest[:end]) for end in range(len(rest), 0, -1)][:3]  # may be a class or a method
    return any(path.with_suffix(".py").is_file() or path.is_dir() for path in modules)


def test_a_release_has_one_version() -> None:
    files = [ROOT / "setup.py", ROOT / "docs/manual/schedulers.md", *sorted((ROOT / "conf/kubernetes").iterdir())]
    texts = {file.name: file.read_text(encoding="utf-8") for file in files}
    named = {name: re.findall(r'(?:version="|/textclf:)(\d+\.\d+\.\d+)', text) for name, text in texts.items()}

    assert all(named[name] for name in ("setup.py", "schedulers.md", "Dockerfile", "nightly.yaml"))
    assert {version for found in named.values() for version in found} == {textclf.__version__}


def section_of(kind: Any) -> type[BaseModel] | None:
    """Return the section that a key of the pipeline file holds, or None where it holds a value."""
    kinds = [kind, *get_args(kind)]
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)


def test_the_manual_has_every_key_of_the_pipeline_file() -> None:
    documented: dict[str, set[str]] = {"": set()}
    place = ""
    for row in re.findall(r"^\| (.+?) \|", TEXTS["docs/manual/pipeline-file.md"], re.MULTILINE):
        if header := re.match(r"\*\*`\[+(\w+)\]+`\*\*", row):
            place = header[1]
        documented.setdefault(place, set()).update(re.findall(r"`(\w+)`", row))

    for name, field in Pipeline.model_fields.items():
        section = section_of(field.annotation)
        if section is None:
            assert (field.alias or name) in documented[""]
        else:
            keys = set(section.model_fields) - {"space", "spaces", "sources"}  # documented as tables of their own
            assert keys - documented[name] == set(), name


def test_the_manual_has_every_job() -> None:
    jobs = {path.stem for path in (ROOT / "jobs").glob("[a-z]*.py")}
    documented = re.findall(r"^\| `(\w+)", TEXTS["docs/manual/jobs.md"], re.MULTILINE)

    assert sorted(documented) == sorted(jobs)
