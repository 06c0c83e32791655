"""What the summary of a run says, from its record: a headline and blocks of rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textclf.common.console.numbers import duration

Cell = str | int | None
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Block:
    """Rows of a summary.

    Attributes:
        header: Names of the columns; empty for pairs of a name and a text, which may be long.
        rows: Cells of each row; numbers are aligned to the right.
        title: Heading; empty for none.
    """

    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    title: str = ""


@dataclass(frozen=True)
class Summary:
    """A run in words.

    Attributes:
        status: Status of the run record.
        headline: What ran, how it ended and how long it took.
        run_id: Identifier of the run.
        problem: Why it did not succeed; None if it did.
        blocks: What was read and what became of it.
        following: Command that comes next; None if there is none.
    """

    status: str
    headline: str
    run_id: str
    problem: str | None
    blocks: list[Block] = field(default_factory=list)
    following: str | None = None


def summary_of(record: Values, following: str | None = None) -> Summary:
    """Return the summary of a run.

    Args:
        record: Run record as JSON has it, so that places are masked.
        following: Command that comes next.
    """
    job, details = record["job"], record.get("details", {})
    blocks = [*_OF_JOB.get(job, _counts)(record, details), _tables(record)]
    return Summary(
        record["status"],
        f"{job} {record['status']}, {duration(record['seconds'])}",
        record["run_id"],
        record.get("error"),
        [block for block in blocks if block.rows],
        following,
    )


def counted(numbers: Mapping[str, int]) -> str:
    """Write numbers by name, the largest first.

    Example:
        >>> counted({"empty_text": 1, "unknown_label": 1200})
        'unknown_label 1,200, empty_text 1'
    """
    return ", ".join(f"{name} {number:,}" for name, number in sorted(numbers.items(), key=lambda pair: -pair[1]))


def share(value: float) -> str:
    """Write a share as this project does.

    Example:
        >>> share(0.88), share(1.0)
        ('.8800', '1.0000')
    """
    return f"{value:.4f}".removeprefix("0")


def _tables(record: Values) -> Block:
    return Block((), list(record.get("tables", {}).items()), "tables")


def _counts(record: Values, details: Values) -> list[Block]:  # noqa: ARG001 - as the jobs' own
    """The counts that every record may have."""
    names = {"input_rows": "read", "scored_rows": "scored", "rejected_rows": "rejected"}
    held = {name: record[key] for key, name in names.items() if key in record}
    return [Block(tuple(held), [tuple(held.values())] if held else [])]


def _ingest(record: Values, details: Values) -> list[Block]:  # noqa: ARG001
    sources, refused = details.get("sources", {}), details.get("refused", {})
    read = {**sources, **{name: each for name, each in refused.items() if "records" in each}}
    rows = [(name, each["records"], each["accepted"], each["rejected"]) for name, each in read.items()]
    reasons = [(name, counted(each["reasons"])) for name, each in read.items() if each["reasons"]]
    return [
        Block(("source", "read", "accepted", "rejected"), rows),
        Block((), reasons, "why rejected"),
        Block((), [(name, each["problem"]) for name, each in refused.items()], "refused"),
    ]


def _vocabulary(record: Values, details: Values) -> list[Block]:  # noqa: ARG001
    names = ("rows", "training_rows", "test_rows", "words", "tokens")
    rows = [(name, *(each[key] for key in names)) for name, each in details.get("sources", {}).items()]
    return [Block(("source", "rows", "training", "test", "words", "tokens"), rows)]


def _train(record: Values, details: Values) -> list[Block]:  # noqa: ARG001
    header = ("model", "architecture", "test accuracy", "95% interval", "macro F1", "champion")
    rows = [
        (
            f"{name}@{each['version']}", each["architecture"], share(each["accuracy"]), _interval(each),
            share(each["macro_f1"]), "yes" if each["champion"] == each["version"] else f"no, {each['champion']} is",
        )
        for name, each in details.items()
    ]  # fmt: skip
    return [Block(header, rows)]


def _search(record: Values, details: Values) -> list[Block]:  # noqa: ARG001
    sources = details.get("sources", {})
    chosen = {name: each for name, each in sources.items() if "chosen" in each}
    rows = [
        (
            f"{name}@{each['version']}" if "version" in each else name, _candidate(each["chosen"]),
            share(each["accuracy"]) if "accuracy" in each else "failed", _interval(each),
            _measured(each["chosen"]), _measured(each["baseline"]),
        )
        for name, each in chosen.items()
    ]  # fmt: skip
    header = ("model", "winner", "test accuracy", "95% interval", "folds", "baseline in folds")
    trials = (details["trials_run"], details["trials_known"]) if "trials_run" in details else ()
    return [
        Block(header, rows),
        Block((), [(name, each["problem"]) for name, each in sources.items() if "problem" in each], "no winner"),
        Block(("trials run", "known before"), [trials] if trials else []),
    ]


def _score(record: Values, details: Values) -> list[Block]:
    days = details.get("days")
    gate = record.get("gate") or {}
    failed = [
        (f"{each['check']}{_of(each['slice'])}", f"{each['received']}, expected {each['expected']}")
        for each in gate.get("failed", [])
    ]
    words = {
        "input": record.get("input"),
        "models": ", ".join(record.get("models", {})),
        "why rejected": counted(details.get("rejects", {})),
        "copied": f"{details['copied_rows']:,} rows scored before" if "copied_rows" in details else "",
        "days": counted(days) if days else details.get("day"),
        "audit": gate.get("verdict"),
    }
    return [
        *_counts(record, details),
        Block((), [(name, text) for name, text in words.items() if text]),
        Block((), failed, "refused by the audit"),
    ]


def _chain(record: Values, details: Values) -> list[Block]:
    rows = [(each["step"], each["state"], _seconds(each), each["why"]) for each in details.get("steps", [])]
    return [
        Block(("step", "state", "time", "why"), rows),
        *_counts(record, details),
        Block((), [(name, why) for name, why in details.get("refused", {}).items()], "refused deliveries"),
        Block((), [("page", page) for page in details.get("reports", [])], "reports"),
    ]


def _maintain(record: Values, details: Values) -> list[Block]:  # noqa: ARG001
    found = details.get("upkeep", {})
    return [
        Block(
            ("table", "files before", "files", "bytes"),
            [(name, each["files_before"], each["files"], each["bytes"]) for name, each in found.items()],
        )
    ]


def _report(record: Values, details: Values) -> list[Block]:  # noqa: ARG001
    return [Block((), [("page", details["report"]), ("of run", details["run"])] if "report" in details else [])]


def _shown(record: Values, details: Values) -> list[Block]:  # noqa: ARG001
    """Jobs that have printed what they found themselves."""
    return []


def _interval(figures: Values) -> str:
    found = figures.get("accuracy_interval")
    return "" if found is None else f"{share(found[0])} to {share(found[1])}"


def _of(part: str | None) -> str:
    return "" if part is None else f" of {part}"


def _measured(result: Values | None) -> str:
    return "failed" if result is None else f"{share(result['accuracy'])} ± {share(result['standard_error'])}"


def _candidate(result: Values) -> str:
    params = ", ".join(f"{name} {value}" for name, value in result["params"].items())
    return f"{result['architecture']} ({params})" if params else str(result["architecture"])


def _seconds(step: Values) -> str:
    return duration(step["seconds"]) if "seconds" in step else ""


_OF_JOB: dict[str, Callable[[Values, Values], list[Block]]] = {
    "ingest_corpus": _ingest,
    "build_vocabulary": _vocabulary,
    "train_model": _train,
    "search_models": _search,
    "score_table": _score,
    "nightly": _chain,
    "run": _chain,
    "maintain_tables": _maintain,
    "report": _report,
    "show_run": _shown,
    "explain_row": _shown,
}
