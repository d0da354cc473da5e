"""Runs a first, an incremental and a steady full session of a VM, and counts their requests."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tools.bench.requests import OUTSIDE, Moment, figures, idle_figures
from tools.bundle import build
from tools.demo.facts import OPERATOR_USER
from tools.demo.journal import parsed
from tools.demo.narration import FactBroken
from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.azure import simulated_azure
from tools.local_cloud.control_plane import ControlPlane, control_plane
from tools.local_cloud.disk_images import MIB
from tools.local_cloud.installation import (
    EXAMPLES,
    USER_NAMESPACE,
    Installation,
    install,
    put_off_upkeep,
)
from tools.local_cloud.worker_python import worker_python

_DATA_BYTES = 32 * MIB
_LIMIT_S = 900
#: Until what the last session woke has been looked at, and how long nothing happens then.
_SETTLES_S, _IDLE_S = 20.0, 180.0
_LOOK_S = 0.3
#: Its condition ends a session for good.
_LAST_STEP = "SnapshotsPruned"


def measure(folder: Path) -> dict[str, Any]:
    """Return the requests of each; all that runs is in *folder* and ends with this."""
    with ExitStack() as running:
        azure, plane, installation = _start(folder, running)
        running.callback(installation.operator.stop)
        installation.operator.start()
        time.sleep(_SETTLES_S)
        process = {"rss_idle_mb": _mib(installation)}
        plane.administrator.apply(EXAMPLES / "repository.yaml")
        put_off_upkeep(plane)
        found = {name: _session(azure, plane, name) for name in ("first", "incremental", "steady")}
        process["rss_after_three_sessions_mb"] = _mib(installation)
        return {**found, "process": {**process, "idle": _idle(azure, plane)}}


def _mib(installation: Installation) -> float:
    return round(installation.operator.resident_bytes() / MIB, 1)


def _idle(azure: Administrator, plane: ControlPlane) -> dict[str, Any]:
    """Return what the operator asks for in some real minutes after its sessions have ended."""
    time.sleep(_SETTLES_S)
    since, audited = azure.last_entry(), len(plane.audited())
    time.sleep(_IDLE_S)
    return {
        "seconds": _IDLE_S,
        **idle_figures(parsed(azure.journal(since)), plane.audited()[audited:], OPERATOR_USER),
    }


def _start(folder: Path, running: ExitStack) -> tuple[Administrator, ControlPlane, Installation]:
    bundle = folder / "bundle"
    build(worker_python().version, bundle)
    disks = seed.plan_disks(folder / "disks")
    seed.make_disks(disks, data_bytes=_DATA_BYTES)
    ready = running.enter_context(simulated_azure(folder / "azure"))
    plane = running.enter_context(control_plane(folder / "kubernetes"))
    azure = Administrator(ready)
    seed.seed(azure, disks)
    return azure, plane, install(plane, ready, bundle, folder / "operator")


def _session(azure: Administrator, plane: ControlPlane, name: str) -> dict[str, Any]:
    """Back the VM up and return what that asked of Resource Manager."""
    since = azure.last_entry()
    began = time.monotonic()
    plane.administrator.create(_wanted(name))
    moments = _follow(azure, plane, name)
    found = figures(parsed(azure.journal(since)), moments)
    return {**found, "seconds": round(time.monotonic() - began, 1)}


def _wanted(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "vmbackup.dev/v1alpha1",
        "kind": "BackupSession",
        "metadata": {"name": name, "namespace": USER_NAMESPACE},
        "spec": {
            "type": "Backup",
            "virtualMachineId": seed.VM_ID,
            "repositoryRef": {"name": "west-europe"},
            "retention": {"last": 3},
            # Else it would read what has changed since the one before.
            "newChain": name == "steady",
        },
    }


def _follow(azure: Administrator, plane: ControlPlane, name: str) -> list[Moment]:
    """Return when the session came to which step, once it and its tidying up have ended."""
    moments: list[Moment] = []
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        after = azure.last_entry()
        found = plane.administrator.find(USER_NAMESPACE, "backupsessions", name)
        status = found.get("status", {})
        step = _step_of(status)
        if not moments or moments[-1].step != step:
            moments.append(Moment(after, step))
        if "outcome" in status and _is_true(status, _LAST_STEP):
            if status["outcome"] != "Succeeded":
                raise FactBroken(f"session {name}: {status['outcome']}: {status.get('message')}")
            return moments
        time.sleep(_LOOK_S)
    raise FactBroken(f"session {name} has not ended in {_LIMIT_S} s")


def _step_of(status: dict[str, Any]) -> str:
    """Return the step that was spoken of and is not done."""
    open_ = (said["type"] for said in status.get("conditions", ()) if said["status"] != "True")
    at = status.get("step", {}).get("condition")
    return at or next(open_, OUTSIDE)


def _is_true(status: dict[str, Any], condition: str) -> bool:
    said = status.get("conditions", ())
    return any(each["type"] == condition and each["status"] == "True" for each in said)
