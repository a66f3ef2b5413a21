"""What ships to run the service with: units, alert rules, and runbooks, checked by the tools that read them."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.packs import ROOT
from widget.cli import COMMANDS
from widget.commands.serve import WORKER_STOP_SECONDS
from widget.commands.supervisor import STOP_SECONDS
from widget.settings import DESCRIBED, PREFIX
from widget.telemetry import REGISTRY

UNITS = sorted((ROOT / "infra" / "systemd").glob("*.service"))
RULES = ROOT / "infra" / "prometheus"
RUNBOOKS = ROOT / "infra" / "runbooks"


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)


def alerts() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]


def test_alert_rules_fire_and_stay_quiet_as_their_tests_say() -> None:
    tested = run("promtool", "test", "rules", RULES / "alerts_test.yaml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_changed_alert_rule_fails_its_test(tmp_path: Path) -> None:
    for file in RULES.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    rules = tmp_path / "alerts.yaml"
    rules.write_text(rules.read_text().replace("> 300", "> 30000"))

    assert run("promtool", "test", "rules", tmp_path / "alerts_test.yaml").returncode != 0


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(rule["alert"] for rule in alerts()) == sorted(page.stem for page in RUNBOOKS.glob("*.md"))
    for page in RUNBOOKS.glob("*.md"):
        assert {"**Meaning.**", "**Look.**", "**Do.**"} <= set(re.findall(r"\*\*\w+\.\*\*", page.read_text())), (
            page.name
        )


def test_every_metric_in_the_alerts_is_exported() -> None:
    known = {sample.name for family in REGISTRY.collect() for sample in family.samples}
    known |= {f"{family.name}{end}" for family in REGISTRY.collect() for end in ("", "_total", "_bucket")}
    for rule in alerts():
        assert set(re.findall(r"recovery_\w+", rule["expr"])) <= known, rule["alert"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_unit_is_valid_and_starts_one_of_our_commands(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text().replace("/opt/recovery-quiz/bin/recovery-quiz", sys.executable)
    (tmp_path / unit.name).write_text(text)
    verified = run("systemd-analyze", "verify", "--man=no", tmp_path / unit.name)
    assert unit.name not in verified.stderr, verified.stderr

    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # Keys keep their case.
    parsed.read_string(unit.read_text())
    service = parsed["Service"]
    assert service["ExecStart"].split()[1] in COMMANDS
    assert (service["User"], service["Restart"], service["NoNewPrivileges"]) == ("recovery-quiz", "always", "yes")
    assert service["ProtectSystem"] == "strict"


def test_unit_with_a_fault_is_reported(tmp_path: Path) -> None:
    (tmp_path / "broken.service").write_text("[Service]\nExecStart=/bin/true\nRestartt=always\nType=oneshot\n")

    assert "Restartt" in run("systemd-analyze", "verify", "--man=no", tmp_path / "broken.service").stderr


def test_compose_file_starts_our_commands_with_settings_that_exist_and_asks_for_the_rest() -> None:
    folder = ROOT / "infra" / "compose"
    text = (folder / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    ours = {name: service for name, service in services.items() if "recovery-quiz:" in service["image"]}

    assert set(ours) == {"migrate", "web", "worker", "beat"}
    for service in ours.values():
        assert service["command"][0] in COMMANDS
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert set(service["environment"]) <= {f"{PREFIX}{setting.name}" for setting in DESCRIBED}
    wanted = set(re.findall(r"\$\{(\w+)(?::\?[^}]*)?\}", text))
    assert wanted == set(re.findall(r"^(\w+)=", (folder / "settings.example").read_text(), re.MULTILINE))


MANIFESTS = sorted(path for path in (ROOT / "infra" / "kubernetes").glob("*.yaml") if path.stem != "kustomization")


def objects() -> list[dict[str, Any]]:
    return [found for path in MANIFESTS for found in yaml.safe_load_all(path.read_text())]


def pods() -> dict[str, dict[str, Any]]:
    """Return the pod of each manifest that runs one, by its name."""
    found = {}
    for item in objects():
        spec = item.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            found[item["metadata"]["name"]] = spec["template"]["spec"]
    return found


def test_manifests_are_valid_for_the_newest_kubernetes() -> None:
    for item in objects():
        kubernetes_validate.validate(item, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("Deployment", lambda item: item["spec"].update(replica=2)),
        ("Job", lambda item: item["spec"]["template"]["spec"].pop("containers")),
        ("NetworkPolicy", lambda item: item["spec"].update(policyTypes="Ingress")),
    ],
)
def test_manifest_with_a_fault_is_reported(kind: str, damage: Callable[[dict[str, Any]], object]) -> None:
    item = next(item for item in objects() if item["kind"] == kind)
    damage(item)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(item, kubernetes_validate.latest_version(), strict=True)


def test_pods_run_our_commands_with_least_privilege() -> None:
    assert set(pods()) == {"web", "worker", "beat", "migrate", "backup"}
    for name, pod in pods().items():
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
        rights = container["securityContext"]
        assert (rights["readOnlyRootFilesystem"], rights["capabilities"]) == (True, {"drop": ["ALL"]}), name
        command = next(iter(re.findall(r"recovery-quiz (\w+)", " ".join(container["args"]))), container["args"][0])
        assert command in COMMANDS, name
        assert {"requests", "limits"} <= set(container["resources"]), name
    settings = next(item for item in objects() if item["kind"] == "ConfigMap")["data"]
    assert set(settings) <= {f"{PREFIX}{setting.name}" for setting in DESCRIBED if not setting.secret}


def test_pods_get_the_time_that_our_programs_need_to_stop() -> None:
    assert pods()["web"]["terminationGracePeriodSeconds"] > STOP_SECONDS
    assert pods()["worker"]["terminationGracePeriodSeconds"] > WORKER_STOP_SECONDS


def test_kustomization_lists_every_manifest() -> None:
    listed = yaml.safe_load((ROOT / "infra" / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == [path.name for path in MANIFESTS]


def test_dockerfile_has_no_findings_and_a_careless_one_has(tmp_path: Path) -> None:
    linted = run("hadolint", ROOT / "infra" / "docker" / "Dockerfile")
    assert (linted.returncode, linted.stdout) == (0, "")

    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM debian\nRUN apt-get install nginx\n")
    assert "DL3008" in run("hadolint", careless).stdout
