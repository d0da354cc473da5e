"""Every write to Resource Manager passes one place, where the keys of the ring are asked for."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Awaitable
from inspect import CORO_CLOSED, getcoroutinestate
from typing import Any

import pytest

from tests.sources import modules, statements, text_of, tree_of
from tests.worlds.samples import SETTINGS
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.environments.seals import RegionSeals
from vmbackup_operator.naming import APPLIANCE_TAG, ArmId, snapshot_id
from vmbackup_operator.ownership import SNAPSHOT_TAG
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.refusals import Refusals
from vmbackup_operator.services.shared_reads import SharedReads

APPLIANCE = SETTINGS.appliance
LOST = snapshot_id(APPLIANCE.subscription_id, APPLIANCE.resource_group, RunId(32 * "a"), None)
#: Calls of the SDK that write, and what of ours hands them on.
WRITES = ("begin_", "update_tags")
HANDS_ON = {"begin_delete"}
#: What begins in a repository, and asks nothing of Resource Manager.
OF_REPOSITORIES = {"begin_anew", "begin_expire"}


class NoAnswer:
    """What the SDK makes of an empty answer."""

    def as_dict(self) -> dict[str, Any]:
        return {}


async def request(sent: list[str]) -> NoAnswer:
    sent.append("sent")
    return NoAnswer()


@pytest.fixture
async def resources() -> AsyncIterator[ArmResources]:
    seals = RegionSeals(APPLIANCE, {"k2"})
    tags: Body = {SNAPSHOT_TAG: "1 k1 2", APPLIANCE_TAG: APPLIANCE.id}
    lost: Body = {"id": LOST, "location": "northeurope", "tags": tags}
    group = (APPLIANCE.subscription_id, APPLIANCE.resource_group)
    seals.note_list("Snapshot", *group, [lost])
    clock = TurnedClock()

    class NoCredential:
        async def get_token(self, *scopes: str, **_: Any) -> Any:
            raise AssertionError(f"nothing is asked of Azure: {scopes}")

        async def close(self) -> None:
            return

    credential: Any = NoCredential()
    clients = Clients(credential, clock, refusals=Refusals(clock))
    yield ArmResources(clients, SharedReads(clock), seals)
    await clients.close()


async def test_what_is_refused_is_not_sent_and_not_left_half_begun(
    resources: ArmResources,
) -> None:
    sent: list[str] = []
    call = request(sent)

    with pytest.raises(PermanentError, match="'k1'"):
        await resources.carry_out("deleting it", LOST, call)

    assert sent == []
    assert getcoroutinestate(call) == CORO_CLOSED


async def test_what_ends_access_is_sent_all_the_same(resources: ArmResources) -> None:
    sent: list[str] = []

    await resources.carry_out("ending access", LOST, request(sent), ends_access=True)

    assert sent == ["sent"]


@pytest.mark.parametrize("region", ["westeurope", "northeurope"])
async def test_what_is_made_is_judged_by_where_its_body_puts_it(
    resources: ArmResources, region: str
) -> None:
    new = ArmId(LOST.replace("aaaa", "bbbb"))
    body: Body = {"location": region, "properties": {}}

    def asked() -> Awaitable[Body]:
        return resources.begin("Snapshot", new, body)

    expected = PermanentError if region == "northeurope" else AssertionError
    with pytest.raises(expected):
        await asked()


def test_no_adapter_writes_past_it() -> None:
    astray = [
        f"{path.name}:{function.name}"
        for path in modules("operator/vmbackup_operator/services")
        if any(call in text_of(path) for call in WRITES)
        for function in statements(tree_of(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(_writes(name) for name in _called(function))
        and "carry_out" not in _called(function)
    ]

    assert astray == []


def _called(function: ast.AST) -> set[str]:
    attributes = (each for each in ast.walk(function) if isinstance(each, ast.Attribute))
    return {each.attr for each in attributes}


def _writes(name: str) -> bool:
    return name.startswith(WRITES) and name not in HANDS_ON | OF_REPOSITORIES
