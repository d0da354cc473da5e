"""docs/metrics.md has every metric as it is, and every alert its runbook and nothing made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.services.test_azure_failures import envelope
from tests.unit.services.test_azure_failures import refusal as refused
from tests.unit.test_documents import anchors, explained
from vmbackup_operator.metrics.families import FAMILIES
from vmbackup_operator.services.failures import refusal

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "metrics.md"
RULE = yaml.safe_load((ROOT / "charts/vmbackup/prometheus/rule.yaml").read_text())
ALERTS: list[dict[str, Any]] = [rule for group in RULE["spec"]["groups"] for rule in group["rules"]]
ROW = re.compile(r"^\| `(vmbackup_\w+)` \| (\w+) \|(.*?)\| (.+) \|$", re.MULTILINE)
NAME = re.compile(r"\bvmbackup_\w+")
SELECTED = re.compile(r"(vmbackup_\w+)\{([^}]*)\}")
OTHER_UNIT = re.compile(r"_(milliseconds|minutes|hours|days|ms|kib|mib|gib|percent)(_|$)")
GROUPED = re.compile(r"by \(([^)]*)\) \((vmbackup_\w+)")

alerts = pytest.mark.parametrize("alert", ALERTS, ids=[each["alert"] for each in ALERTS])
BY_SAMPLE = {family.sample_name: family for family in FAMILIES.values()}


def told() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for name, kind, labels, _ in ROW.findall(PAGE.read_text()):
        yield name, kind, tuple(re.findall(r"`(\w+)`", labels))


def test_the_page_has_each_metric_with_its_type_and_labels_and_no_other() -> None:
    expected = [(each.sample_name, each.kind, each.labels) for each in FAMILIES.values()]

    assert list(told()) == expected


def test_metrics_are_named_as_prometheus_wants_it() -> None:
    """A unit stands last and is a base unit; what counts is called a total, and nothing else is."""
    wrong = [
        each.sample_name
        for each in FAMILIES.values()
        if not re.fullmatch(r"vmbackup(_[a-z]+)+", each.name)
        or each.name.endswith(("_total", "_count", "_sum", "_bucket", "_created"))
        or OTHER_UNIT.search(each.name)
        or re.search(r"(seconds|bytes)_(?!total$)", each.sample_name)
        or ("timestamp" in each.name and not each.name.endswith("_timestamp_seconds"))
        or not each.help.endswith(".")
        or len(set(each.labels)) != len(each.labels)
        or any(not re.fullmatch(r"[a-z]+", label) for label in each.labels)
    ]

    assert wrong == []


def test_there_are_alerts_for_what_somebody_is_woken_for() -> None:
    assert {
        "VmbackupRpoBreached",
        "VmbackupRepositoryNotReady",
        "VmbackupSessionsFailing",
        "VmbackupNoRoomForWorkers",
        "VmbackupOrphans",
        "VmbackupNoLeader",
        "VmbackupProofTooOld",
    } <= {alert["alert"] for alert in ALERTS}


@alerts
def test_an_alert_asks_for_metrics_and_labels_that_there_are(alert: dict[str, Any]) -> None:
    expression = alert["expr"]
    used = NAME.findall(expression)
    selected = [
        (name, label)
        for name, selector in SELECTED.findall(expression)
        for label in re.findall(r"(\w+)\s*[=!]", selector)
    ]
    grouped = [
        (name, label)
        for labels, name in GROUPED.findall(expression)
        for label in labels.split(", ")
    ]

    assert used
    assert set(used) <= BY_SAMPLE.keys()
    assert [(name, label) for name, label in selected + grouped
            if label not in BY_SAMPLE[name].labels] == []  # fmt: skip


@alerts
def test_what_an_alert_says_has_the_labels_that_its_expression_leaves(
    alert: dict[str, Any],
) -> None:
    left = {label for labels, _ in GROUPED.findall(alert["expr"]) for label in labels.split(", ")}
    said = re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"])

    assert set(said) <= left
    assert alert["labels"]["severity"] in {"critical", "warning"}


@alerts
def test_an_alert_has_its_runbook(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")

    assert (ROOT / page) == PAGE
    assert anchor == alert["alert"].lower()
    assert anchor in anchors(PAGE)


def test_the_page_has_no_runbook_of_an_alert_that_there_is_not() -> None:
    headings = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)

    assert headings == [alert["alert"] for alert in ALERTS]


def test_the_reasons_that_an_alert_waits_for_are_given() -> None:
    (reasons,) = [re.findall(r'reason=~"([^"]*)"', each["expr"]) for each in ALERTS
                  if "reason=~" in each["expr"]]  # fmt: skip
    named = set(reasons[0].split("|"))
    lost = {
        reason
        for reason in named
        if refusal(refused(409, envelope(reason, "the quota is used up"))).kind == "lost attempt"
    }

    assert len(lost) >= 5
    assert named - lost <= explained()
