"""A pod's status, by how its process is: pure, so that it says no more than was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from tools.nodeagent.pods import Pod


@dataclass(frozen=True, slots=True)
class Waiting:
    """The container does not run; *reason* is one word, as the kubelet's."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The container runs since *began*."""

    began: datetime
    started: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The container has ended and is not started again."""

    began: datetime
    at: datetime
    exit_code: int


State: TypeAlias = "Waiting | Running | Ended"


def status(
    pod: Pod, address: str, state: State, *, restarts: int = 0, last: Ended | None = None
) -> dict[str, Any]:
    """Return the status of *pod*; *last* is how its container ended before it was restarted."""
    ready = isinstance(state, Running) and state.ready
    container: dict[str, Any] = {
        "name": pod.container.name,
        "image": pod.container.image,
        "imageID": "",
        "ready": ready,
        "started": isinstance(state, Running) and state.started,
        "restartCount": restarts,
        "state": _told(state),
        "lastState": {} if last is None else _told(last),
    }
    return {
        "phase": _phase(state),
        "hostIP": "127.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            _condition("Initialized", holds=True),
            _condition("ContainersReady", holds=ready),
            _condition("Ready", holds=ready),
        ],
        "containerStatuses": [container],
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return *after* with the time of each condition: *now* where it is another than *before*."""
    held = {each["type"]: each for each in before.get("conditions", ())}
    timed = [
        {**each, "lastTransitionTime": held[each["type"]]["lastTransitionTime"]}
        if held.get(each["type"], {}).get("status") == each["status"]
        else {**each, "lastTransitionTime": stamp(now)}
        for each in after["conditions"]
    ]
    return {**after, "conditions": timed}


def stamp(moment: datetime) -> str:
    """Return *moment* as Kubernetes writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _phase(state: State) -> str:
    match state:
        case Ended(exit_code=code):
            return "Failed" if code else "Succeeded"
        case Waiting(reason="ContainerCreating"):
            return "Pending"
        case _:
            return "Running"


def _told(state: State) -> dict[str, Any]:
    match state:
        case Waiting():
            return {"waiting": {"reason": state.reason, "message": state.message}}
        case Running():
            return {"running": {"startedAt": stamp(state.began)}}
        case Ended():
            reason = "Error" if state.exit_code else "Completed"
            times = {"startedAt": stamp(state.began), "finishedAt": stamp(state.at)}
            return {"terminated": {"exitCode": state.exit_code, "reason": reason, **times}}


def _condition(name: str, *, holds: bool) -> dict[str, str]:
    return {"type": name, "status": "True" if holds else "False"}
