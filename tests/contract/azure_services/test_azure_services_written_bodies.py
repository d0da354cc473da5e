"""Everything that the operator wrote in this suite, held against Microsoft's OpenAPI files."""

from __future__ import annotations

import pytest

from tests.contract.arm.specs import Specs, find_specification
from tests.contract.azure_services.cloud import Cloud
from tools.local_cloud import seed

#: Kinds of which at least one body must have been looked at, or the test shows nothing.
WRITTEN = (
    "/networkSecurityGroups/",
    "/virtualNetworks/",
    "/virtualNetworkPeerings/",
    "/storageAccounts/",
    "/containers/",
    "/privateEndpoints/",
    "/privateDnsZones/",
    "/virtualNetworkLinks/",
    "/privateDnsZoneGroups/",
)


@pytest.fixture(scope="module")
def specs() -> Specs:
    root = find_specification()
    if root is None:
        pytest.skip("no azure-specs folder beside the checkout: nothing to hold requests against")
    return Specs(root)


def test_every_body_is_one_of_the_contract(cloud: Cloud, specs: Specs) -> None:
    written = [
        entry
        for entry in cloud.azure.journal()
        if entry["service"] == "arm"
        and entry["identity"] == seed.OPERATOR_OBJECT_ID
        and isinstance(entry["request"], dict)
    ]
    problems = []
    for entry in written:
        operation = specs.find(entry["method"], entry["path"])
        if operation is None or operation.request is None:
            problems.append(f"{entry['method']} {entry['path']}: no such operation")
            continue
        found = specs.problems("request", operation.request, entry["request"])
        problems += [f"{entry['method']} {entry['path']}: {problem}" for problem in found]

    assert sorted(set(problems)) == []
    assert all(any(kind in entry["path"] for entry in written) for kind in WRITTEN)
