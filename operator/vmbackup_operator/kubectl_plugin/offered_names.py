"""Names of objects in the cluster that may follow on a command line.

Whoever presses a key is not to read an error: where no cluster answers, nothing is offered.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
import typer

from vmbackup_core.errors import VmbackupError
from vmbackup_operator.kubectl_plugin.options import asked_in
from vmbackup_operator.kubectl_plugin.place import find_place

if TYPE_CHECKING:
    from vmbackup_operator.model.kinds import Resource

#: Nobody waits longer for what a key offers.
_PATIENCE_S = 3.0


def complete_policy(context: typer.Context, incomplete: str) -> list[str]:
    """Return the policies whose names begin so."""
    from vmbackup_operator.model.backup_policy import BackupPolicy  # noqa: PLC0415

    return _names(context, (BackupPolicy,), incomplete)


def complete_session(context: typer.Context, incomplete: str) -> list[str]:
    """Return the sessions of both kinds whose names begin so."""
    from vmbackup_operator.kubectl_plugin.any_session import SESSION_KINDS  # noqa: PLC0415

    return _names(context, SESSION_KINDS, incomplete)


def complete_point(context: typer.Context, incomplete: str) -> list[str]:
    """Return the recovery points whose names begin so."""
    from vmbackup_operator.model.recovery_point import RecoveryPoint  # noqa: PLC0415

    return _names(context, (RecoveryPoint,), incomplete)


def complete_machine(context: typer.Context, incomplete: str) -> list[str]:
    """Return the VMs of the policies as GROUP/NAME.

    Which policy is named before is not known: an option that lacks its value ends the parsing.
    """
    from vmbackup_operator.kubectl_plugin.machines import protected_names  # noqa: PLC0415
    from vmbackup_operator.model.backup_policy import BackupPolicy  # noqa: PLC0415

    found = _objects(context, (BackupPolicy,))
    policies = (each for each in found if isinstance(each, BackupPolicy))
    names = {name for each in policies for name in protected_names(each)}
    return sorted(name for name in names if name.startswith(incomplete))


def _names(context: click.Context, kinds: Iterable[type[Resource]], incomplete: str) -> list[str]:
    names = {each.metadata.name for each in _objects(context, kinds)}
    return sorted(name for name in names if name.startswith(incomplete))


def _objects(context: click.Context, kinds: Iterable[type[Resource]]) -> list[Resource]:
    from vmbackup_operator.kubectl_plugin.cluster_access import cluster_at  # noqa: PLC0415

    async def find() -> list[Resource]:
        async with cluster_at(find_place(asked_in(context), os.environ)) as cluster:
            return [each for kind in kinds for each in await cluster.listed_if_allowed(kind)]

    try:
        return asyncio.run(asyncio.wait_for(find(), _PATIENCE_S))
    except (VmbackupError, TimeoutError):
        return []
