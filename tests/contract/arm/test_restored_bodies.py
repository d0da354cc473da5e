"""What restores send for disks, interfaces and VMs, held against Microsoft's OpenAPI files."""

from __future__ import annotations

import copy
from typing import Any, Final

import pytest

from tests.contract.arm.specs import Specs
from tests.unit.restores.test_recorded_bodies import OF_OURS, TREES, restored

PROVIDERS: Final = {
    "disks": "Microsoft.Compute",
    "networkInterfaces": "Microsoft.Network",
    "virtualMachines": "Microsoft.Compute",
}
#: What Azure has come to know since the files: it is set again as everything else.
NEWCOMERS: Final = ("availabilityPolicy", "resiliencyProfile")


@pytest.mark.parametrize(("kind", "recorded"), OF_OURS, ids=["os", "data", "nic", "vm"])
def test_what_is_sent_is_of_the_contract(kind: str, recorded: dict[str, Any], specs: Specs) -> None:
    body = copy.deepcopy(recorded)
    for name in NEWCOMERS:
        body["properties"].pop(name, None)
    made: Any = restored(kind, body)[0]
    if kind == "disks":
        made["properties"]["creationData"] = {"createOption": "Upload"}
        made["properties"] = {k: v for k, v in made["properties"].items() if v is not None}
    path = f"/subscriptions/s/resourceGroups/g/providers/{PROVIDERS[kind]}/{kind}/x"
    operation = specs.find("PUT", path)

    assert operation is not None
    assert operation.request is not None
    assert specs.problems("request", operation.request, made) == []
    assert {*PROVIDERS} == {*TREES}
