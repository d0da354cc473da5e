"""The alerts, judged by Prometheus' own promtool over series of the metrics: alerts_of_*.yaml."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.clients.programs import built
from tests.sources import ROOT
from tools.local_cloud.go_programs import PROMTOOL

RULE = ROOT / "charts" / "vmbackup" / "prometheus" / "rule.yaml"
CASES = sorted(Path(__file__).parent.glob("alerts_of_*.yaml"))

of_each = pytest.mark.parametrize("cases", CASES, ids=[each.stem for each in CASES])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the rules as Prometheus' operator hands them on, and the cases beside them."""
    spec = yaml.safe_load(RULE.read_text())["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    for cases in CASES:
        shutil.copy(cases, tmp_path)
    return tmp_path


def promtool(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Return how promtool ended."""
    return subprocess.run(  # noqa: S603 - our own words
        [str(built(PROMTOOL)), *words],
        cwd=folder,
        env={"HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def asked() -> list[dict[str, Any]]:
    """Return what the cases ask of alerts, each of a moment."""
    cases = [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]
    return [asked for case in cases for asked in case["alert_rule_test"]]


def test_prometheus_takes_the_rules_and_has_nothing_against_them(folder: Path) -> None:
    checked = promtool(folder, "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")

    assert checked.returncode == 0, checked.stdout + checked.stderr


@of_each
def test_each_alert_begins_and_ends_when_it_should(folder: Path, cases: Path) -> None:
    tested = promtool(folder, "test", "rules", cases.name)

    assert tested.returncode == 0, tested.stdout + tested.stderr


@of_each
def test_an_alert_that_begins_earlier_is_caught(folder: Path, cases: Path) -> None:
    """promtool does compare: what holds back each alert is a fact of the cases."""
    rules = yaml.safe_load((folder / "rules.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))

    assert promtool(folder, "test", "rules", cases.name).returncode == 1


def test_of_every_alert_there_is_a_moment_with_it_and_one_without() -> None:
    groups = yaml.safe_load(RULE.read_text())["spec"]["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}

    assert {each["alertname"] for each in asked() if each["exp_alerts"]} == alerts
    assert {each["alertname"] for each in asked() if not each["exp_alerts"]} == alerts
