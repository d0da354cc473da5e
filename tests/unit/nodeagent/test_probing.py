"""Probes counted: when a container has started, is ready, is to be restarted."""

from __future__ import annotations

from tools.nodeagent.pods import Probe, ProbeName
from tools.nodeagent.probing import Health


def probe(*, fails: int = 3, passes: int = 1, delay_s: float = 0) -> Probe:
    return Probe("/livez", 8080, delay_s, 10, 5, passes, fails)


def answered(health: Health, name: ProbeName, answers: str) -> None:
    """Have a probe answered, well where there is a ``+``."""
    for number, answer in enumerate(answers):
        health.record(name, passed=answer == "+", now=number)


def test_without_probes_a_container_is_started_and_ready() -> None:
    health = Health({}, began=0)

    assert (health.is_started, health.is_ready, health.must_restart) == (True, True, False)
    assert health.due(1000) == []


def test_until_it_has_started_nothing_else_is_asked() -> None:
    health = Health(
        {"startupProbe": probe(), "livenessProbe": probe(), "readinessProbe": probe()}, began=0
    )

    before = health.due(0)
    health.record("startupProbe", passed=True, now=0)

    assert before == ["startupProbe"]
    assert health.due(0) == ["livenessProbe", "readinessProbe"]


def test_a_probe_is_asked_after_its_delay_and_once_a_period() -> None:
    health = Health({"readinessProbe": probe(delay_s=4)}, began=100)

    assert health.due(103.9) == []
    assert health.due(104) == ["readinessProbe"]
    health.record("readinessProbe", passed=False, now=105)
    assert health.due(114.9) == []
    assert health.due(115) == ["readinessProbe"]


def test_a_container_that_does_not_start_is_restarted() -> None:
    health = Health({"startupProbe": probe(fails=3)}, began=0)

    answered(health, "startupProbe", "--")
    early = health.must_restart
    answered(health, "startupProbe", "-")

    assert not early
    assert health.must_restart
    assert not health.is_started


def test_only_failures_in_a_row_restart_a_container() -> None:
    health = Health({"livenessProbe": probe(fails=2)}, began=0)

    answered(health, "livenessProbe", "-+-")
    apart = health.must_restart
    answered(health, "livenessProbe", "-")

    assert not apart
    assert health.must_restart


def test_readiness_comes_and_goes_and_restarts_nothing() -> None:
    health = Health({"readinessProbe": probe(fails=2, passes=2)}, began=0)

    seen = [health.is_ready]
    for answer in "++--++":
        answered(health, "readinessProbe", answer)
        seen.append(health.is_ready)

    assert seen == [False, False, True, True, False, False, True]
    assert not health.must_restart
