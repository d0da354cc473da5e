"""``restore``: which point, whereto, and the RestoreSession of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vmbackup_core.errors import PermanentError
from vmbackup_operator.kubectl_plugin.answers import points_table
from vmbackup_operator.kubectl_plugin.call import Call
from vmbackup_operator.kubectl_plugin.complaints import GOOD
from vmbackup_operator.kubectl_plugin.manifests import (
    Manifest,
    RestoreAsked,
    latest_point,
    restore_manifest,
)
from vmbackup_operator.kubectl_plugin.tables import rendered
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.recovery_point import RecoveryPoint
from vmbackup_operator.model.restore_session import RestoreSession

if TYPE_CHECKING:
    from vmbackup_operator.kubectl_plugin.cluster_access import Cluster


@dataclass(frozen=True, slots=True)
class Which:
    """Which point is meant: by its name, or the newest of a VM up to a time; else one is picked."""

    point: str | None = None
    vm: str | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class _Choice:
    """Points to choose among, and the region of each one's VM, as far as sessions tell it."""

    points: tuple[RecoveryPoint, ...]
    regions: dict[str, str]


def restore_chosen(call: Call, which: Which, asked: RestoreAsked, *, dry_run: bool) -> int:
    """Answer ``restore``."""
    until = _moment(which.at)
    if which.point is not None and which.vm is not None:
        raise PermanentError("POINT says which one: leave --vm out", reason="Misunderstood")

    async def find(cluster: Cluster) -> _Choice:
        if which.point is None:
            points = await cluster.listed_at(RecoveryPoint, cluster.place.namespace)
        else:
            points = (await cluster.get(RecoveryPoint, which.point),)
        sessions = await cluster.listed_if_allowed(BackupSession)
        return _Choice(points, _regions(sessions))

    choice = call.ask(find)
    if which.point is not None:
        (point,) = choice.points
    elif which.vm is not None:
        point = latest_point(choice.points, which.vm, until)
    else:
        point, asked = _picked(call, choice, asked)
    manifest = restore_manifest(point, asked, choice.regions.get(point.spec.run_id))
    return _printed(call, manifest) if dry_run else _created(call, manifest)


def _printed(call: Call, manifest: Manifest) -> int:
    """Print what kubectl create takes, once the API server has said that it would."""
    import yaml  # noqa: PLC0415

    call.ask(lambda cluster: cluster.create(RestoreSession, manifest, dry=True))
    call.console.write(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
    return GOOD


def _created(call: Call, manifest: Manifest) -> int:
    name = call.ask(lambda cluster: cluster.create(RestoreSession, manifest))
    line = f"rses/{name} created; kubectl vmbackup watch rses/{name} shows it"
    call.console.write_line(line)
    return GOOD


def _regions(sessions: tuple[BackupSession, ...]) -> dict[str, str]:
    """Return the regions of the VMs by the runs that made their points."""
    found: dict[str, str] = {}
    for each in sessions:
        resolved, run = each.status.resolved, each.status.run_id
        if run is not None and resolved is not None and resolved.virtual_machine is not None:
            found[run] = resolved.virtual_machine.region
    return found


def _picked(call: Call, choice: _Choice, asked: RestoreAsked) -> tuple[RecoveryPoint, RestoreAsked]:
    """Have the user pick a point, and say where it goes."""
    if not (sys.stdin and sys.stdin.isatty() and call.console.is_watched()):
        raise PermanentError("name a POINT, or a VM with --vm", reason="Misunderstood")
    points = sorted(choice.points, key=lambda each: each.spec.created_at, reverse=True)
    if not points:
        where = f"there is none in {call.place.namespace}"
        raise PermanentError(where, reason="NoRecoveryPoint")
    table = rendered(points_table(points, call.now, everywhere=False), call.terminal)
    head, *lines = table.splitlines()
    numbered = [f"      {head}", *(f"{n:>4}  {line}" for n, line in enumerate(lines, 1))]
    call.console.show("".join(f"{line}\n" for line in numbered))
    number = click.prompt("Which one", type=click.IntRange(1, len(points)), default=1, err=True)
    point = points[number - 1]
    region = asked.region or choice.regions.get(point.spec.run_id)
    if asked.region is None:
        region = click.prompt("Region", default=region, err=True)
    if asked.mode == "VirtualMachine" and asked.vm_name is None:
        name = f"{point.spec.virtual_machine_name}-again"
        asked = replace(asked, vm_name=click.prompt("Name of the new VM", default=name, err=True))
    return point, replace(asked, region=region)


def _moment(text: str | None) -> datetime | None:
    """Return the moment that *text* says; without a time zone it is UTC."""
    if text is None:
        return None
    try:
        said = datetime.fromisoformat(text)
    except ValueError as error:
        example = "2026-11-27T09:30 is one"
        raise PermanentError(f"--at {text!r}: {example}", reason="Misunderstood") from error
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)
