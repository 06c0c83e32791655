"""Check the settings for Kubernetes, cron and systemd as far as possible without running them."""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.commands import ROOT, check_command, check_job
from textclf.spark.launch.submit import jobs

KUBERNETES = ROOT / "conf" / "kubernetes"
SCHEMA = json.loads((Path(__file__).parent / "spark_operator.schema.json").read_text())
DOCUMENTS = {
    path.name: [document for document in yaml.safe_load_all(path.read_text()) if document]
    for path in sorted(KUBERNETES.glob("*.yaml"))
}
APPLICATIONS = {
    name: documents[0]
    for name, documents in DOCUMENTS.items()
    if documents[0]["apiVersion"].startswith("sparkoperator")
}


def template(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of the application, which a scheduled one has as its template."""
    spec: dict[str, Any] = manifest["spec"]
    return spec["template"] if manifest["kind"] == "ScheduledSparkApplication" else spec


def test_there_are_manifests() -> None:
    assert set(APPLICATIONS) == {"nightly.yaml", "score-gpu.yaml", "maintain.yaml"}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_operator_knows_every_field(name: str) -> None:
    jsonschema.validate(APPLICATIONS[name], SCHEMA)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        (("executor",), "nodeSelectors", {"a": "b"}),
        (("executor", "gpu"), "quantity", "1"),
        (("driver",), "memory", "2 GB"),
        (("sparkConf",), "spark.executor.resource.gpu.amount", 1),
        (("restartPolicy",), "type", "never"),
        ((), "mainFile", "local:///x.py"),
    ],
)
def test_a_slip_does_not_pass(place: tuple[str, ...], key: str, value: object) -> None:
    manifest = copy.deepcopy(APPLICATIONS["score-gpu.yaml"])
    section = manifest["spec"]
    for step in place:
        section = section[step]
    section[key] = value

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, SCHEMA)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_it_runs_a_job_of_ours_as_an_account_that_is_there(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    application = template(APPLICATIONS[name])
    home, _, file = application["mainApplicationFile"].removeprefix("local://").rpartition("/jobs/")
    job = file.removesuffix(".py")
    account = {(each["kind"], each["metadata"]["name"]) for each in DOCUMENTS["account.yaml"]}

    assert f"COPY . {home}" in (KUBERNETES / "Dockerfile").read_text()
    assert ("ServiceAccount", application["driver"]["serviceAccount"]) in account
    volumes = {volume["name"] for volume in application["volumes"]}
    assert {mount["name"] for mount in application["driver"]["volumeMounts"]} == volumes
    check_job(job, [word.replace("${DAY}", "2026-01-31") for word in application["arguments"]], capfd)


def test_gpus_are_asked_for_as_in_our_settings() -> None:
    application = APPLICATIONS["score-gpu.yaml"]["spec"]
    asked = {name: value for name, value in application["sparkConf"].items() if ".gpu." in name}
    settings = (ROOT / "conf" / "spark-gpu.conf").read_text()

    assert [name for name in asked if name not in settings] == []
    assert (KUBERNETES.parent / Path(asked["spark.executor.resource.gpu.discoveryScript"]).name).is_file()
    assert application["executor"]["gpu"]["name"] == f"{asked['spark.executor.resource.gpu.vendor']}/gpu"
    assert "gpu" not in application["driver"]


def test_the_crontab(capfd: pytest.CaptureFixture[str]) -> None:
    lines = [
        line
        for line in (ROOT / "conf/cron/textclf").read_text().splitlines()
        if line and not line.startswith("#") and not re.match(r"\w+=", line)
    ]

    found = []
    for line in lines:
        *times, user, command = line.split(None, 6)
        assert all(re.fullmatch(r"[\d*/,-]+", field) for field in times)
        assert user == "textclf"
        assert not re.search(r"(?<!\\)%", command)  # cron ends the command at an unescaped %
        submit = re.search(r"\./spark-submit\.sh [^>]*?(?= *>>)", command)
        assert submit is not None
        job = submit[0].split()[1]
        found.append(job)
        if job in jobs(ROOT):
            assert check_command(re.sub(r'"\$\(.*?\)"', "2026-01-31", submit[0]), capfd)
    assert found == ["nightly", "maintain_tables"]


def test_systemd_reads_the_units(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    service = (ROOT / "conf/systemd/textclf-nightly.service").read_text()
    command = re.search(r"exec (\./spark-submit\.sh .*?)'$", service, re.MULTILINE)
    assert command is not None
    if "nightly" in jobs(ROOT):
        assert check_command(re.sub(r'"\$\$.*?"(?=$)', "2026-01-31", command[1]), capfd)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    # Replace the folder and the account of an installed system.
    here = service.replace("/opt/textclf", str(ROOT)).replace("User=textclf", "User=root")
    (tmp_path / "textclf-nightly.service").write_text(here)
    shutil.copy(ROOT / "conf/systemd/textclf-nightly.timer", tmp_path)

    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )

    ours = [line for line in done.stderr.splitlines() if "textclf" in line]
    assert (done.returncode, ours) == (0, [])
