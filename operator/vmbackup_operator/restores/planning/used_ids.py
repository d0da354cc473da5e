"""Every ARM id that bodies use, however it is named there: the session has to be allowed them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, Json, text_at
from vmbackup_operator.naming import ArmId

_BEGINNINGS = ("/subscriptions/", "subscriptions/")


def used_ids(bodies: Iterable[Body]) -> Iterator[ArmId]:
    """Yield every id in *bodies*, in values and in names; tags only look like something."""
    for body in bodies:
        for name, value in body.items():
            if folded(name) != "tags":
                yield from _below(value)


def names_a_storage_account(machine: Body) -> bool:
    """Tell whether the VM's boot diagnostics go to an account; it is named by URL, not by id."""
    path = ("properties", "diagnosticsProfile", "bootDiagnostics", "storageUri")
    return bool(text_at(machine, *path))


def _below(value: Json) -> Iterator[ArmId]:
    if isinstance(value, str) and folded(value.strip()).startswith(_BEGINNINGS):
        yield ArmId(value)
    elif isinstance(value, list):
        for item in value:
            yield from _below(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _below(name)
            yield from _below(item)
