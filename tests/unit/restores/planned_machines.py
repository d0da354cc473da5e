"""Plans of a VM of the recorded one, for tests of what they say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worlds.recorded_vm import (
    POINT_DISKS,
    RUN,
    TARGET,
    described,
    machine_body,
    restore_spec,
)
from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.model.restore_session import (
    RestoreOverrides,
)
from vmbackup_operator.model.vm_description import VmDescription
from vmbackup_operator.restores.planning.plan import plan_restore
from vmbackup_operator.restores.planning.planned import Planned

RECORDED = described()
NIC = f"{TARGET}/providers/Microsoft.Network/networkInterfaces/web-01-nic-01234567"
DISK = f"{TARGET}/providers/Microsoft.Compute/disks"


def planned(description: VmDescription | None = RECORDED, **asked: Any) -> Planned:
    return plan_restore(description, POINT_DISKS, restore_spec(**asked), RUN)


def machine_of(plan: Planned) -> Body:
    assert plan.machine is not None
    return plan.machine.body


def with_machine(**properties: object) -> VmDescription:
    return described(machine_body(**properties))


def patched(**patch: Any) -> RestoreOverrides:
    return RestoreOverrides(virtual_machine=patch)


def refusal(description: VmDescription | None = RECORDED, **asked: Any) -> PermanentError:
    with pytest.raises(PermanentError) as refused:
        planned(description, **asked)
    return refused.value
