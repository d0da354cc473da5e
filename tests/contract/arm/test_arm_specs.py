"""The check against Microsoft's files finds what it is there to find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.arm.recording import Exchange, findings
from tests.contract.arm.specs import Specs, find_specification

SNAPSHOT = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/snapshots/one"  # a path of ours
)
BODY: dict[str, Any] = {
    "name": "one",
    "id": SNAPSHOT,
    "type": "Microsoft.Compute/snapshots",
    "location": "westeurope",
    "properties": {
        "creationData": {"createOption": "Copy", "sourceResourceId": "/d"},
        "incremental": True,
        "networkAccessPolicy": "DenyAll",
        "diskSizeGB": 8,
    },
}


def found(specs: Specs, body: dict[str, Any], status: int = 200) -> str:
    return "\n".join(findings(specs, [Exchange("GET", SNAPSHOT, None, status, body)]))


def changed(**properties: Any) -> dict[str, Any]:
    return {**BODY, "properties": {**BODY["properties"], **properties}}


def test_a_body_of_the_contract_passes(specs: Specs) -> None:
    assert found(specs, BODY) == ""


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({**BODY, "colour": "red"}, "colour"),
        (changed(incremantal=True), "incremantal"),
        (changed(diskSizeGB="8"), "diskSizeGB"),
        (changed(networkAccessPolicy=7), "networkAccessPolicy"),
        (changed(creationData={"sourceResourceId": "/d"}), "createOption"),
        (changed(creationData={"createOption": "Copy", "source": "/d"}), "source"),
    ],
    ids=["unknown", "misspelt", "text for number", "number for text", "missing", "nested"],
)
def test_an_altered_body_is_found(specs: Specs, body: dict[str, Any], word: str) -> None:
    assert word in found(specs, body)


def test_an_undeclared_status_is_found(specs: Specs) -> None:
    assert "status" in found(specs, BODY, 206)


def test_microsofts_own_examples_pass(specs: Specs) -> None:
    root = find_specification()
    assert root is not None
    folder = root / "privatedns/resource-manager/Microsoft.Network/stable/2020-06-01/examples"
    bodies = 0
    for path in sorted(folder.glob("VirtualNetworkLink*.json")):
        for status, answer in json.loads(path.read_text())["responses"].items():
            zone = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/z"
            if "value" in answer.get("body", {"value": []}):
                continue
            exchange = Exchange("GET", f"{zone}/virtualNetworkLinks/l", None, 200, answer["body"])
            assert not list(findings(specs, [exchange])), (path.name, status)
            bodies += 1
    assert bodies > 3


def test_a_folder_that_is_a_link_is_read_as_well(specs: Specs, tmp_path: Path) -> None:
    """Whoever has a checkout of the files elsewhere links it beside this one."""
    root = find_specification()
    assert root is not None  # else `specs` had skipped this
    (tmp_path / "azure-specs").symlink_to(root)

    assert len(Specs(tmp_path / "azure-specs").operations) == len(specs.operations)
