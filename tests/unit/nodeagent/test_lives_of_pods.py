"""Restarts, tokens, nodes and statuses: what the agent decides about a pod."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.nodeagent.manifests import manifest
from tools.nodeagent.binding import chosen_node
from tools.nodeagent.environment import NotThere
from tools.nodeagent.files import write_names
from tools.nodeagent.pods import RestartPolicy, parse_pod
from tools.nodeagent.restarts import BackOff, is_restarted
from tools.nodeagent.services import endpoints
from tools.nodeagent.status import Ended, Running, State, Waiting, changed, status
from tools.nodeagent.tokens import Token
from tools.nodeagent.volumes import chosen

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
OURS = {"app": "vmbackup"}


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_a_container_is_restarted_as_its_pod_says(
    policy: RestartPolicy, code: int, *, again: bool
) -> None:
    assert is_restarted(policy, code) == again


def test_the_first_restart_is_at_once_and_later_ones_wait_longer_each_time() -> None:
    back_off = BackOff()

    assert [back_off.next_s(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert back_off.next_s(600) == 0


@pytest.mark.parametrize(
    ("valid_s", "age_s", "due"),
    [
        (3607, 2885, False),
        (3607, 2886, True),
        (14 * 86400, 86399, False),
        (14 * 86400, 86400, True),
    ],
)
def test_a_token_is_renewed_after_four_fifths_of_its_time_or_a_day(
    valid_s: int, age_s: int, *, due: bool
) -> None:
    assert Token("t", 1000, 1000 + valid_s).is_due(1000 + age_s) == due


def pod_on(node: str, labels: dict[str, str], **other: Any) -> dict[str, Any]:
    metadata = {"labels": labels, **other.get("metadata", {})}
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": other.get("status", {})}


@pytest.mark.parametrize(
    ("pods", "node"),
    [
        pytest.param([], "a", id="the first"),
        pytest.param([pod_on("a", OURS)], "b", id="where none of its kind is"),
        pytest.param(
            [pod_on("a", {**OURS, "topology.kubernetes.io/zone": "1"})],
            "b",
            id="whatever label its node has added",
        ),
        pytest.param([pod_on("a", {"app": "x"})], "a", id="others do not count"),
        pytest.param(
            [pod_on("a", OURS, metadata={"namespace": "other"})], "a", id="nor other namespaces'"
        ),
        pytest.param([pod_on("a", OURS, status={"phase": "Failed"})], "a", id="nor what ended"),
        pytest.param(
            [pod_on("a", OURS, metadata={"deletionTimestamp": "x"})], "a", id="nor what leaves"
        ),
    ],
)
def test_pods_are_spread_over_nodes_as_they_ask(pods: list[dict[str, Any]], node: str) -> None:
    constraint = {"labelSelector": {"matchLabels": OURS}}
    asked = {"metadata": {"labels": OURS}, "spec": {"topologySpreadConstraints": [constraint]}}

    assert chosen_node(asked, ("a", "b"), pods) == node


def test_a_pod_that_asks_for_no_spread_goes_where_the_fewest_are() -> None:
    others = [pod_on("a", OURS), pod_on("a", {"app": "x"}), pod_on("b", {})]

    assert chosen_node({"metadata": {}, "spec": {}}, ("a", "b"), others) == "b"


@pytest.mark.parametrize(
    ("state", "phase", "ready", "told"),
    [
        pytest.param(
            Waiting("ContainerCreating"), "Pending", "False", "waiting", id="about to begin"
        ),
        pytest.param(Waiting("CrashLoopBackOff"), "Running", "False", "waiting", id="between"),
        pytest.param(
            Running(NOON, started=True, ready=True), "Running", "True", "running", id="ready"
        ),
        pytest.param(
            Running(NOON, started=True, ready=False), "Running", "False", "running", id="not yet"
        ),
        pytest.param(Ended(NOON, LATER, 0), "Succeeded", "False", "terminated", id="done"),
        pytest.param(Ended(NOON, LATER, 137), "Failed", "False", "terminated", id="failed"),
    ],
)
def test_a_status_says_how_the_process_is(state: State, phase: str, ready: str, told: str) -> None:
    said = status(parse_pod(manifest()), "10.244.0.3", state)

    assert said["phase"] == phase
    assert {each["type"]: each["status"] for each in said["conditions"]}["Ready"] == ready
    assert list(said["containerStatuses"][0]["state"]) == [told]
    assert said["containerStatuses"][0]["ready"] == (ready == "True")


def test_how_a_container_ended_stays_when_it_is_started_again() -> None:
    said = status(
        parse_pod(manifest()),
        "10.244.0.3",
        Running(LATER, started=True, ready=True),
        restarts=1,
        last=Ended(NOON, LATER, 137),
    )

    (container,) = said["containerStatuses"]
    assert container["restartCount"] == 1
    assert container["lastState"]["terminated"]["exitCode"] == 137


def test_a_condition_keeps_its_time_until_it_turns() -> None:
    pod = parse_pod(manifest())
    unready = status(pod, "10.244.0.3", Running(NOON, started=True, ready=False))
    ready = status(pod, "10.244.0.3", Running(NOON, started=True, ready=True))

    first = changed({}, unready, NOON)
    second = changed(first, ready, LATER)

    times = {each["type"]: each["lastTransitionTime"] for each in second["conditions"]}
    assert times["Initialized"] == "2026-11-27T12:00:00Z"
    assert times["Ready"] == "2026-11-27T12:01:00Z"
    assert changed(second, ready, LATER + timedelta(hours=1)) == second


def test_a_volume_has_the_keys_that_its_items_name() -> None:
    found = {"a": b"1", "b": b"2"}

    assert dict(chosen(found, None, "x")) == found
    assert dict(chosen(found, [{"key": "b", "path": "in/b"}], "x")) == {"in/b": b"2"}
    with pytest.raises(NotThere, match="x has no key c"):
        dict(chosen(found, [{"key": "c", "path": "c"}], "x"))


def test_a_service_leads_to_its_pods_that_are_ready(tmp_path: Path) -> None:
    slices: list[dict[str, Any]] = [
        {
            "metadata": {"labels": {"kubernetes.io/service-name": "vmbackup-operator"}},
            "ports": [{"port": 8080}],
            "endpoints": [
                {"addresses": ["10.244.0.3"], "conditions": {"ready": True}},
                {"addresses": ["10.244.0.4"], "conditions": {"ready": False}},
            ],
        },
        {"metadata": {"labels": {"kubernetes.io/service-name": "empty"}}, "endpoints": None},
    ]

    (ready,) = endpoints("backups", slices)
    write_names(parse_pod(manifest()), "10.244.0.9", [ready], tmp_path)

    assert (ready.address, ready.ports) == ("10.244.0.3", (8080,))
    assert (tmp_path / "hosts").read_text().splitlines() == [
        "127.0.0.1 localhost",
        "10.244.0.9 operator-0",
        "10.244.0.3 vmbackup-operator.backups.svc vmbackup-operator.backups.svc.cluster.local",
    ]
