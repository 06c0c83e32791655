"""``textclf models``: list, compare, promote and roll back the models of a folder."""

import argparse
from typing import TYPE_CHECKING, Any

from textclf.cli.model_args import add_place, open_store
from textclf.cli.output import write_json, write_lines, write_table
from textclf.errors import InputError, UsageError

if TYPE_CHECKING:
    from textclf.artifact import Manifest, ModelStore

_OTHER_ROWS = "Corpus or split differ, so the measures come from different test rows; small differences mean nothing."


def add(commands: Any) -> None:
    """Add the command with its actions."""
    made = commands.add_parser("models", help="list, compare, promote and roll back models", description=__doc__)
    actions = made.add_subparsers(dest="action", metavar="ACTION", required=True)
    about = {
        "list": (_list, "every model with its champion", None),
        "show": (_show, "one model: its architecture, training and test measures", "NAME[@VERSION]"),
        "promote": (_promote, "make a version the champion", "NAME@VERSION"),
        "roll-back": (_roll_back, "make the previous champion the champion again", "NAME"),
        "compare": (_compare, "test measures side by side; a name alone means all its versions", "NAME[@VERSION]"),
    }
    for name, (action, text, reference) in about.items():
        each = actions.add_parser(name, help=text, description=text)
        if reference is not None:
            each.add_argument("reference", metavar=reference, nargs="+" if name == "compare" else None)
        add_place(each)
        each.add_argument("--json", action="store_true", help="print JSON")
        each.set_defaults(run=run, action_run=action)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    store, _ = open_store(args)
    args.action_run(store, args)
    return 0


def _list(store: "ModelStore", args: argparse.Namespace) -> None:
    found = []
    for name in store.names():
        versions, champion = store.versions(name), store.champion(name)
        manifest = store.manifest(name, champion or versions[-1])
        found.append(
            {
                "name": name,
                "champion": champion,
                "versions": len(versions),
                "architecture": manifest.architecture,
                "labels": len(manifest.labels),
                "accuracy": manifest.measure("accuracy"),
                "training rows": manifest.training.get("rows"),
            }
        )
    if args.json:
        write_json(found)
    else:
        write_table(list(found[0]), [list(row.values()) for row in found])


def _show(store: "ModelStore", args: argparse.Namespace) -> None:
    from textclf.artifact.manifest import MEASURES

    manifest = _manifest(store, args.reference)
    if args.json:
        write_json(manifest.model_dump() | {"champions": store.champions(manifest.name)})
        return
    champions = store.champions(manifest.name)
    training = {key: value for key, value in manifest.training.items() if key != "search"}
    rows: list[tuple[str, object]] = [
        ("model", f"{manifest.name}@{manifest.version}"),
        (
            "in use",
            "yes" if champions[:1] == [manifest.version] else f"no, version {champions[0]} is" if champions else "no",
        ),
        ("architecture", manifest.architecture),
        *((f"  {key}", value) for key, value in manifest.hyperparameters.items()),
        ("labels", ", ".join(manifest.labels)),
        ("test rows", manifest.metrics.get("rows")),
        *((f"  {name}", _with_interval(manifest, name)) for name in MEASURES),
        ("training", ""),
        *((f"  {key}", value) for key, value in training.items()),
        ("corpus digest", manifest.corpus_digest),
        ("packages", ", ".join(f"{name} {version}" for name, version in manifest.packages.items())),
    ]
    write_table(("what", "value"), [(name, _text(value)) for name, value in rows])


def _promote(store: "ModelStore", args: argparse.Namespace) -> None:
    from textclf.artifact.store import parse_reference

    name, version = parse_reference(args.reference)
    if version is None:
        known = ", ".join(f"{name}@{each}" for each in store.versions(name)) or f"{name}@VERSION"
        raise UsageError("The version to promote is missing.", received=args.reference, expected=f"one of: {known}")
    before = store.champion(name)
    store.promote(name, version)
    _changed(args, name, before, version)


def _roll_back(store: "ModelStore", args: argparse.Namespace) -> None:
    before = store.champion(args.reference)
    _changed(args, args.reference, before, store.roll_back(args.reference))


def _changed(args: argparse.Namespace, name: str, before: str | None, now: str) -> None:
    if args.json:
        write_json({"name": name, "champion": now, "before": before})
    else:
        write_table(("name", "champion", "before"), [(name, now, before or "none")])


def _compare(store: "ModelStore", args: argparse.Namespace) -> None:
    from textclf.artifact.store import parse_reference

    manifests = []
    for reference in args.reference:
        name, version = parse_reference(reference)
        versions = [version] if version else store.versions(name)
        if not versions:
            raise InputError("There is no such model.", received=name, expected=f"one of: {', '.join(store.names())}")
        manifests += [store.manifest(name, each) for each in versions]
    if len(manifests) < 2:
        raise UsageError(
            "A comparison needs at least two models.",
            received=f"{manifests[0].name}@{manifests[0].version}",
            expected="two or more models, for example: yelp@1 yelp@2",
        )
    same = len({(each.corpus_digest, str(each.training.get("split"))) for each in manifests}) == 1
    if args.json:
        rows = [{"model": f"{each.name}@{each.version}", **_summary(each)} for each in manifests]
        write_json({"same_test_rows": same, "models": rows})
        return
    header = ["", *(f"{each.name}@{each.version}{_star(store, each)}" for each in manifests)]
    summaries = [_summary(each) for each in manifests]
    write_table(header, [[key, *(_text(each[key]) for each in summaries)] for key in summaries[0]])
    write_note("* in use. " + ("Measured on the same test rows." if same else _OTHER_ROWS))


def write_note(text: str) -> None:
    """Print a sentence below a table."""
    write_lines(f"\n{text}")


def _star(store: "ModelStore", manifest: "Manifest") -> str:
    return "*" if store.champion(manifest.name) == manifest.version else ""


def _summary(manifest: "Manifest") -> dict[str, object]:
    from textclf.artifact.manifest import MEASURES

    return {
        "architecture": manifest.architecture,
        "hyperparameters": ", ".join(f"{key}={value}" for key, value in manifest.hyperparameters.items()),
        "training rows": manifest.training.get("rows"),
        "test rows": manifest.metrics.get("rows"),
        **{name: manifest.measure(name) for name in MEASURES},
        "corpus": manifest.corpus_digest[:12],
    }


def _with_interval(manifest: "Manifest", name: str) -> str | None:
    from textclf.artifact.manifest import MEASURES

    value = manifest.measure(name)
    if value is None:
        return None
    ends = manifest.metrics.get("intervals", {}).get("_".join(MEASURES[name]))
    return f"{value:.4f}" if not ends else f"{value:.4f} (95 % interval {ends['low']:.4f} to {ends['high']:.4f})"


def _text(value: object) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _manifest(store: "ModelStore", reference: str) -> "Manifest":
    from textclf.artifact.store import parse_reference

    name, version = parse_reference(reference)
    version = version or store.champion(name)
    if version is None:
        return store.load(name).manifest  # raises an error that lists the models there are
    return store.manifest(name, version)
