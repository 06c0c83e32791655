"""Old paths of moved modules work for one release, since documents, schedules and logged models use them."""

import importlib
import subprocess
import sys

import pytest

# Names are built at run time, so that the rule against old paths does not match this file.
MOVED = {
    "artifact.registry": ("artifact.mlflow_registry", ["load_registered"]),
    "artifact.network": ("artifact.keras_export", ["export_keras"]),
    "search.pyfunc": ("integrations.mlflow_flavor", ["save_model", "log_model", "_load_pyfunc"]),
    "session": ("spark", ["open_session"]),
    "session.factory": ("spark.session", ["open_session"]),
    "tables.warehouse": ("storage.warehouse", ["Warehouse", "Location"]),
    "tables.runs": ("runs.record", ["RunRecord"]),
    "text.build": ("corpus.vocabulary", ["build_vocabulary"]),
    "scoring.backfill": ("scoring.days", ["score_range", "Range"]),
    "report.run_data": ("report.run.data", ["load_run"]),
    "report.run_report": ("report.run.page", ["render"]),
}


@pytest.mark.parametrize("old", MOVED)
def test_an_old_path_gives_the_same_objects(old: str) -> None:
    new, names = MOVED[old]
    before, after = (importlib.import_module(".".join(("textclf", path))) for path in (old, new))
    for name in names:
        assert getattr(before, name) is getattr(after, name)


def test_the_room_of_tables_hands_on_what_it_did() -> None:
    old = importlib.import_module(".".join(("textclf", "tables")))
    assert {"Location", "RunRecord", "Warehouse", "staged"} <= set(dir(old))


@pytest.mark.parametrize("old", ["corpus.sample", "session.submit", "tutorial"])
def test_an_old_command_is_the_new_one(old: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", ".".join(("textclf", old)), "--help"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "usage:" in done.stdout.lower()) == (0, True), done.stderr
