"""Conditions of role assignments are judged as Azure judges them, or refused as not simulated."""

from __future__ import annotations

import pytest

from azure_simulator.identities.conditions import BadCondition, Wish, holds, parse
from azure_simulator.identities.directory import Identities
from azure_simulator.resources import Resource, Resources

BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
NAME = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
GROUP = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/g"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a"
ALICE = "aaaaaaaa-0000-4000-8000-000000000001"
ROLE = "00000000-0000-4000-8000-00000000000a"

ONLY_IN_TWO = (
    f"(\n (!(ActionMatches{{'{BLOBS}/delete'}}))\n OR\n"
    f" ({NAME} StringEquals 'messages' || {NAME} StringEquals 'bundle')\n)"
)


def deleting_in(container: str) -> Wish:
    return Wish(f"{BLOBS}/delete", f"{ACCOUNT}/blobServices/default/containers/{container}")


@pytest.mark.parametrize(
    ("container", "let"), [("messages", True), ("bundle", True), ("Messages", False), ("x", False)]
)
def test_an_action_is_let_through_in_the_named_containers_only(
    container: str, *, let: bool
) -> None:
    assert holds(ONLY_IN_TWO, deleting_in(container)) is let


def test_other_actions_are_none_of_its_business() -> None:
    assert holds(ONLY_IN_TWO, Wish(f"{BLOBS}/read", f"{ACCOUNT}/blobServices/default/containers/x"))
    assert holds(ONLY_IN_TWO, Wish("Microsoft.Compute/disks/read", GROUP))


def test_what_has_no_container_equals_none() -> None:
    assert not holds(f"{NAME} StringEquals ''", Wish(f"{BLOBS}/delete", ACCOUNT))


@pytest.mark.parametrize(
    ("text", "let"),
    [
        (f"{NAME} StringEquals 'x' AND ActionMatches{{'{BLOBS}/*'}}", True),
        (f"{NAME} StringEquals 'x' && {NAME} StringEquals 'y'", False),
        (f"{NAME} StringEquals 'y' OR {NAME} StringEquals 'x'", True),
        (f"!({NAME} StringEquals 'x')", False),
        (f"{NAME} StringEquals 'y' AND {NAME} StringEquals 'y' OR {NAME} StringEquals 'x'", True),
    ],
)
def test_words_that_join(text: str, *, let: bool) -> None:
    assert parse(text)(deleting_in("x")) is let


@pytest.mark.parametrize(
    "text",
    [
        "(",
        f"{NAME}",
        f"({NAME} StringEquals 'x'",
        f"{NAME} StringEquals 'x') ",
        f"{NAME} StringEquals 'x' OR",
        f"OR {NAME} StringEquals 'x'",
        f"{NAME} StringLike 'x*'",
        "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:A_b] StringEquals 'x'",
        "@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x'",
        "anything",
    ],
)
def test_what_is_not_simulated_is_refused(text: str) -> None:
    with pytest.raises(BadCondition):
        parse(text)


def test_an_assignment_gives_only_what_its_condition_lets_through() -> None:
    resources = Resources()
    identities = Identities(resources, ALICE)
    provider = f"{GROUP}/providers/Microsoft.Authorization"
    permissions = [{"dataActions": [f"{BLOBS}/delete", f"{BLOBS}/read"]}]
    definition = f"{provider}/roleDefinitions/{ROLE}"
    about = {"id": definition, "type": "Microsoft.Authorization/roleDefinitions", "name": ROLE}
    resources.put(Resource(definition, about | {"properties": {"permissions": permissions}}))
    assignment = f"{provider}/roleAssignments/{ROLE}"
    given = {"principalId": ALICE, "roleDefinitionId": definition, "condition": ONLY_IN_TWO}
    resources.put(Resource(assignment, {"id": assignment, "properties": given}))

    def may(action: str, container: str) -> bool:
        scope = f"{ACCOUNT}/blobServices/default/containers/{container}"
        return identities.allowed(ALICE, f"{BLOBS}/{action}", scope, data=True)

    assert may("delete", "messages")
    assert may("read", "vm-backups")
    assert not may("delete", "vm-backups")
