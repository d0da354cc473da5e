"""Who may do what: tokens that are refused, roles with wildcards, scopes that inherit."""

from __future__ import annotations

import time

import pytest

from azure_simulator.identities.directory import Identities
from azure_simulator.identities.tokens import (
    ARM_AUDIENCES,
    STORAGE_AUDIENCES,
    TokenIssuer,
    TokenRefused,
)
from azure_simulator.resources import Resource, Resources

SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
GROUP = f"{SUBSCRIPTION}/resourceGroups/workers"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/acct"
TENANT = "99999999-0000-0000-0000-000000000000"
ALICE = "aaaaaaaa-0000-0000-0000-000000000001"
BIG_ALICE = ALICE.upper()
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"


def assign(resources: Resources, role: str, scope: str) -> None:
    guid = f"{role[:8]}-0000-0000-0000-000000000000"
    definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    properties = {"principalId": ALICE, "roleDefinitionId": definition, "scope": scope}
    arm_id = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{guid}"
    resources.put(Resource(arm_id, {"id": arm_id, "properties": properties}))


@pytest.fixture
def resources() -> Resources:
    return Resources()


@pytest.fixture
def identities(resources: Resources) -> Identities:
    return Identities(resources, TENANT)


def test_an_assignment_holds_below_its_scope_and_nowhere_else(
    resources: Resources, identities: Identities
) -> None:
    assign(resources, READER, GROUP)

    assert identities.allowed(ALICE, "Microsoft.Storage/storageAccounts/read", ACCOUNT)
    assert identities.allowed(
        ALICE.upper(), "microsoft.storage/storageaccounts/READ", ACCOUNT.upper()
    )
    assert not identities.allowed(ALICE, "Microsoft.Storage/storageAccounts/read", f"{GROUP}2/x")
    assert not identities.allowed(ALICE, "Microsoft.Storage/storageAccounts/write", ACCOUNT)
    assert not identities.allowed("someone else", "Microsoft.Storage/storageAccounts/read", ACCOUNT)


def test_not_actions_take_away_what_a_wildcard_gives(
    resources: Resources, identities: Identities
) -> None:
    assign(resources, CONTRIBUTOR, SUBSCRIPTION)

    assert identities.allowed(ALICE, "Microsoft.Compute/disks/write", GROUP)
    assert not identities.allowed(ALICE, "Microsoft.Authorization/roleAssignments/write", GROUP)


def test_control_rights_give_no_data_rights(resources: Resources, identities: Identities) -> None:
    blob_read = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
    container = f"{ACCOUNT}/blobServices/default/containers/repo"
    assign(resources, CONTRIBUTOR, SUBSCRIPTION)
    identities.make_owner("owner")

    assert not identities.allowed(ALICE, blob_read, container, data=True)
    assert not identities.allowed("owner", blob_read, container, data=True)
    assign(resources, BLOB_READER, ACCOUNT)
    assert identities.allowed(ALICE, blob_read, container, data=True)


def test_a_custom_role_allows_what_its_definition_says(
    resources: Resources, identities: Identities
) -> None:
    guid = "cccccccc-0000-0000-0000-000000000000"
    arm_id = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{guid}"
    permissions = [{"actions": ["Microsoft.Compute/snapshots/*"], "notActions": ["*/delete"]}]
    resources.put(Resource(arm_id, {"id": arm_id, "properties": {"permissions": permissions}}))
    assign(resources, guid, GROUP)

    assert identities.allowed(ALICE, "Microsoft.Compute/snapshots/beginGetAccess/action", GROUP)
    assert not identities.allowed(ALICE, "Microsoft.Compute/snapshots/delete", GROUP)


def test_a_good_token_tells_who_it_speaks_for(identities: Identities) -> None:
    token = identities.issuer.issue("client", ALICE, "https://management.azure.com/")

    assert identities.authenticate(f"Bearer {token}", ARM_AUDIENCES).object_id == ALICE


ARM = ARM_AUDIENCES[0]


@pytest.mark.parametrize(
    ("authorization", "flaw"),
    [(None, "missing"), ("Basic abc", "missing"), ("Bearer nonsense", "malformed")],
)
def test_what_is_no_token_is_refused(
    identities: Identities, authorization: str | None, flaw: str
) -> None:
    with pytest.raises(TokenRefused) as refused:
        identities.authenticate(authorization, ARM_AUDIENCES)
    assert refused.value.flaw == flaw


@pytest.mark.parametrize(
    ("tenant", "audience", "lifetime_s", "flaw"),
    [
        ("88888888-0000-0000-0000-000000000000", ARM, 60, "tenant"),
        (TENANT, STORAGE_AUDIENCES[0], 60, "audience"),
        (TENANT, ARM, -10, "expired"),
    ],
)
def test_a_token_that_is_not_for_here_and_now_is_refused(
    identities: Identities, tenant: str, audience: str, lifetime_s: int, flaw: str
) -> None:
    issuer = identities.issuer if tenant == TENANT else TokenIssuer(tenant)
    token = issuer.issue("c", ALICE, audience, lifetime_s)

    with pytest.raises(TokenRefused) as refused:
        identities.authenticate(f"Bearer {token}", ARM_AUDIENCES)
    assert refused.value.flaw == flaw


def test_a_token_signed_by_another_key_is_refused(identities: Identities) -> None:
    impostor = TokenIssuer(identities.tenant_id)

    with pytest.raises(TokenRefused) as refused:
        identities.authenticate(f"Bearer {impostor.issue('c', ALICE, ARM)}", ARM_AUDIENCES)
    assert refused.value.flaw == "signature"


def test_a_token_expires(resources: Resources) -> None:
    now = [time.time()]
    identities = Identities(resources, "t", clock=lambda: now[0])
    token = identities.issuer.issue("c", ALICE, ARM_AUDIENCES[0])
    now[0] += 3600

    with pytest.raises(TokenRefused, match="expired"):
        identities.authenticate(f"Bearer {token}", ARM_AUDIENCES)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_rights_that_spread_count_late_and_end_late(resources: Resources) -> None:
    clock = Clock()
    identities = Identities(resources, TENANT, clock)
    identities.spreading.delay_s = 300

    def may() -> bool:
        return identities.allowed(ALICE, "Microsoft.Storage/storageAccounts/read", ACCOUNT)

    assign(resources, READER, GROUP)
    (assignment,) = resources.of_type("Microsoft.Authorization/roleAssignments")
    identities.spreading.made(assignment)
    held = []
    for passed in (0, 299, 1):
        clock.now += passed
        held.append(may())
    assert held == [False, False, True]

    identities.spreading.removed(assignment)
    resources.remove(assignment.id)
    held = []
    for passed in (0, 299, 1):
        clock.now += passed
        held.append(may())
    assert held == [True, True, False]


def test_what_is_taken_away_before_it_counted_never_counts(resources: Resources) -> None:
    clock = Clock()
    identities = Identities(resources, TENANT, clock)
    identities.spreading.delay_s = 300
    assign(resources, READER, GROUP)
    (assignment,) = resources.of_type("Microsoft.Authorization/roleAssignments")
    identities.spreading.made(assignment)
    clock.now += 200

    identities.spreading.removed(assignment)
    resources.remove(assignment.id)

    for _ in range(4):
        clock.now += 100
        assert not identities.allowed(ALICE, "Microsoft.Storage/storageAccounts/read", ACCOUNT)


def test_rights_on_their_way_arrive_when_the_way_is_made_shorter(resources: Resources) -> None:
    clock = Clock()
    identities = Identities(resources, TENANT, clock)
    identities.spreading.delay_s = 300
    assign(resources, READER, GROUP)
    (assignment,) = resources.of_type("Microsoft.Authorization/roleAssignments")
    identities.spreading.made(assignment)

    def may() -> bool:
        return identities.allowed(ALICE, "Microsoft.Storage/storageAccounts/read", ACCOUNT)

    identities.spreading.shorten(600)
    clock.now += 299
    assert not may()
    identities.spreading.shorten(0)
    assert may()

    identities.spreading.delay_s = 300
    identities.spreading.removed(assignment)
    resources.remove(assignment.id)
    assert may()
    identities.spreading.shorten(0)
    assert not may()
