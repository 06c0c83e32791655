"""Render the report of a run as one self-contained HTML page."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from textclf.artifact import Manifest
from textclf.common.output_files import OutputFile
from textclf.common.secrets import first_line
from textclf.errors import InputError
from textclf.report.run.data import RunData
from textclf.report.run.figures import pictures
from textclf.storage import Warehouse

MEASURES = ("accuracy", "macro F1", "log loss", "ROC AUC", "calibration error")
_DRAWN = 12  # number of sources with figures, the largest ones; the table has all sources
_GOOD = {"pass", "passed", "ok", "accepted", "succeeded"}
_BAD = {"fail", "failed", "refused", "wrong"}


def render_report(data: RunData) -> str:
    """Render a run's data as one HTML page that loads no other resources.

    Args:
        data: Data of a run, from ``load_run``.

    Returns:
        HTML in which everything from the data is escaped.

    Example:
        >>> from textclf import load_run, render_report
        >>> page = render_report(load_run(workspace))
        >>> page.startswith("<!doctype html>"), "</html>" in page
        (True, True)
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"count": _count, "share": _share, "number": _number, "tone": _tone}
    # Read through the package's loader, because executors and clusters have the package as a zip.
    template = environment.from_string(files("textclf.report.run").joinpath("page.html").read_text(encoding="utf-8"))
    run, drift = data.run, data.run["gate"].get("drift", [])
    largest = sorted(data.now, key=lambda source: -data.now[source].rows)[:_DRAWN]
    return template.render(
        data=data,
        run=run,
        rate=_rate(run),
        published=data.published,
        drawn=[(source, pictures(data.now[source], data.before.get(source))) for source in sorted(largest)],
        left_out=len(data.now) - len(largest),
        checks=gate_checks(run["gate"]),
        drift=drift,
        drift_checks=list(dict.fromkeys(name for each in drift for name in each["values"])),
        judged=len(run["gate"].get("slices", [])),
        gate_facts={key: value for key, value in run["gate"].items() if not isinstance(value, dict | list)},
        measures=MEASURES,
        models=_model_rows(data),
        details={key: value for key, value in run["details"].items() if key != "tables" and value},
        earlier=[(each, _rate(each)) for each in data.earlier],
    )


render = render_report
"""Name of ``render_report`` until 0.1."""


def default_page(warehouse: Warehouse, run_id: str) -> OutputFile:
    """Return the default place of a run's page."""
    return warehouse.output_file(f"reports/{run_id}.html")


def write(page: str, file: OutputFile) -> None:
    """Write the page atomically: a reader sees the old one or the new one.

    Args:
        page: Page, from ``render_report``.
        file: Place of the page.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        file.replace(page)
    except OSError as error:
        raise InputError(
            f"The report {file.location} cannot be written.", received=error.strerror or first_line(error),
            expected="a folder that this user may write to", fix="give another path with --output FILE",
        ) from error  # fmt: skip


def gate_checks(gate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the checks in a gate's record with name, verdict, expected and received; ``more`` has any other entries.

    Checks are the dictionaries under ``checks``, or in the record itself, that say whether they failed: by a
    ``verdict``, or by the number of slices that ``failed``, with the highest value and the limit. The list ``failed``
    has single failures.

    Example:
        >>> gate_checks({"verdict": "passed", "rows": {"verdict": "passed", "expected": "1 or more", "received": 3}})
        [{'name': 'rows', 'verdict': 'passed', 'expected': '1 or more', 'received': 3, 'more': ''}]
    """
    found = []
    for name, one in gate.get("checks", gate).items():
        if isinstance(one, dict) and one.keys() & {"verdict", "failed"}:
            found.append(_check(name, one))
    single = gate.get("failed")
    for one in single if isinstance(single, list) else []:
        name = " ".join(str(one[key]) for key in ("check", "slice") if one.get(key))
        found.append(
            _check(name, {key: value for key, value in one.items() if key not in ("check", "slice")}, "failed")
        )
    return found


def _check(name: str, one: Mapping[str, Any], verdict: str | None = None) -> dict[str, Any]:
    limit = one.get("limit")
    shown = {
        "name": name,
        "verdict": verdict or one.get("verdict") or ("failed" if one["failed"] else "passed"),
        "expected": one.get("expected", "no limit" if limit is None else f"at most {limit}"),
        "received": one.get("received", one.get("highest", "")),
    }
    told = ("verdict", "expected", "received", "limit", "highest")
    return shown | {"more": ", ".join(f"{key}: {value}" for key, value in one.items() if key not in told)}


def _model_rows(data: RunData) -> list[list[tuple[str, str, str, list[float | None]]]]:
    """Return reference, role, architecture and measures of each model of the run, and of champions that replaced it."""
    challengers = set(data.run["details"].get("challengers", {}).values())
    used = {model.reference for model in data.models}
    found = []
    for model in data.models:
        roles = ["challenger"] if model.reference in challengers else []
        roles += ["champion now"] if model.reference.endswith(f"@{model.champion}") else []
        role = ", ".join(roles) or "used in this run"
        rows = [(model.reference, role, *_architecture_and_measures(model.manifest))]
        other = model.champion_manifest
        if other is not None and f"{other.name}@{other.version}" not in used:
            rows.append((f"{other.name}@{other.version}", "champion now", *_architecture_and_measures(other)))
        found.append(rows)
    return found


def _architecture_and_measures(manifest: Manifest | None) -> tuple[str, list[float | None]]:
    if manifest is None:
        return "no longer in the store, or damaged", [None] * len(MEASURES)
    return manifest.architecture, [manifest.measure(name) for name in MEASURES]


def _rate(run: Mapping[str, Any]) -> float | None:
    """Return rows per second over the whole run, publishing included."""
    return run["input_rows"] / run["seconds"] if run["input_rows"] and run["seconds"] else None


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _tone(verdict: object) -> str:
    """Return the CSS class that colours a verdict, whose word is always shown too."""
    word = str(verdict).casefold()
    return "good" if word in _GOOD else "bad" if word in _BAD else "plain"
