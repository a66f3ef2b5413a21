"""What ships to run the service with: units, alert rules, and runbooks, checked by the tools that read them."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.packs import ROOT
from widget.cli import COMMANDS
from widget.settings import DESCRIBED, PREFIX
from widget.telemetry import REGISTRY

UNITS = sorted((ROOT / "infra" / "systemd").glob("*.service"))
RULES = ROOT / "infra" / "prometheus"
RUNBOOKS = ROOT / "infra" / "runbooks"


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)


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
