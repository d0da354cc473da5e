"""Role definitions and role assignments: who was given which rights where."""

from __future__ import annotations

import re
import uuid

from azure_simulator.arm.answers import Answer
from azure_simulator.arm.errors import ArmError
from azure_simulator.arm.exchange import Cloud, Exchange, Route
from azure_simulator.identities import conditions
from azure_simulator.identities.directory import scope_of
from azure_simulator.identities.roles import BUILT_IN_ROLES, BuiltInRole
from azure_simulator.resources import Body, Resource, name_of

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
DEFINITION = "Microsoft.Authorization/roleDefinitions"

_PRINCIPAL_FILTER = re.compile(r"principalId eq '?([0-9a-fA-F-]+)'?")
_ROLE_NAME_FILTER = re.compile(r"roleName eq '([^']+)'")


def _built_in(role: BuiltInRole, subscription: str) -> Body:
    arm_id = f"/subscriptions/{subscription}/providers/{DEFINITION}/{role.guid}"
    return {
        "id": arm_id,
        "type": DEFINITION,
        "name": role.guid,
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.name,
            "assignableScopes": ["/"],
            "permissions": [role.permission.body()],
        },
    }


async def _put_definition(exchange: Exchange) -> Answer:
    given, target = exchange.properties, exchange.target
    scopes = given.get("assignableScopes") or []
    if not given.get("roleName") or not scopes or not given.get("permissions"):
        message = "A role definition needs a role name, permissions and assignable scopes."
        raise ArmError(400, "RoleDefinitionInvalid", message)
    existing = exchange.existing
    _refuse_same_name(exchange, given["roleName"])
    now = exchange.cloud.now()
    permissions = [
        {
            "actions": entry.get("actions", []),
            "notActions": entry.get("notActions", []),
            "dataActions": entry.get("dataActions", []),
            "notDataActions": entry.get("notDataActions", []),
        }
        for entry in given["permissions"]
    ]
    properties = {
        "roleName": given["roleName"],
        "type": "CustomRole",
        "description": given.get("description", ""),
        "assignableScopes": scopes,
        "permissions": permissions,
        "createdOn": existing.properties["createdOn"] if existing else now,
        "updatedOn": now,
        "createdBy": exchange.identity.object_id,
        "updatedBy": exchange.identity.object_id,
    }
    body = {"id": target.path, "type": DEFINITION, "name": target.name, "properties": properties}
    exchange.cloud.resources.put(Resource(target.path, body))
    return Answer(201, body)


def _refuse_same_name(exchange: Exchange, role_name: str) -> None:
    for other in exchange.cloud.resources.of_type(DEFINITION):
        same = other.properties["roleName"].lower() == role_name.lower()
        if same and other.name.lower() != exchange.target.name.lower():
            message = f"A custom role with the name '{role_name}' already exists."
            raise ArmError(409, "RoleDefinitionWithSameNameExists", message)


async def _get_definition(exchange: Exchange) -> Answer:
    name = exchange.target.name
    for role in BUILT_IN_ROLES:
        if role.guid == name.lower():
            return Answer(200, _built_in(role, exchange.target.subscription))
    for definition in exchange.cloud.resources.of_type(DEFINITION):
        if definition.name.lower() == name.lower():
            return Answer(200, definition.body)
    message = f"The specified role definition with ID '{name}' does not exist."
    raise ArmError(404, "RoleDefinitionDoesNotExist", message)


async def _list_definitions(exchange: Exchange) -> Answer:
    bodies = [_built_in(role, exchange.target.subscription) for role in BUILT_IN_ROLES]
    bodies += [d.body for d in exchange.cloud.resources.of_type(DEFINITION)]
    wanted = _ROLE_NAME_FILTER.search(exchange.query.get("$filter", ""))
    if wanted is not None:
        bodies = [b for b in bodies if b["properties"]["roleName"].lower() == wanted[1].lower()]
    return Answer(200, {"value": bodies})


async def _delete_definition(exchange: Exchange) -> Answer:
    existing = exchange.existing
    if existing is None:
        return Answer(204)
    for assignment in exchange.cloud.resources.of_type(ASSIGNMENT):
        if name_of(assignment.properties["roleDefinitionId"]).lower() == existing.name.lower():
            message = "There are existing role assignments referencing role."
            raise ArmError(400, "RoleDefinitionHasAssignments", message)
    exchange.cloud.resources.remove(existing.id)
    return Answer(200, existing.body)


async def _put_assignment(exchange: Exchange) -> Answer:
    given, target = exchange.properties, exchange.target
    principal, role = given.get("principalId", ""), given.get("roleDefinitionId", "")
    _check_principal(exchange.cloud, principal, given.get("principalType"))
    _check_role(exchange.cloud, role)
    _check_condition(given)
    existing = exchange.existing
    if existing is not None:
        same = (existing.properties["principalId"], existing.properties["roleDefinitionId"])
        if same != (principal, role):
            message = (
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            )
            raise ArmError(400, "RoleAssignmentUpdateNotPermitted", message)
        return _update_assignment(exchange, existing)
    _refuse_twin(exchange, principal, role)
    now = exchange.cloud.now()
    properties = {
        "roleDefinitionId": role,
        "principalId": principal,
        "principalType": given.get("principalType", "ServicePrincipal"),
        "scope": target.scope,
        "condition": given.get("condition"),
        "conditionVersion": given.get("conditionVersion"),
        "createdOn": now,
        "updatedOn": now,
        "createdBy": exchange.identity.object_id,
        "updatedBy": exchange.identity.object_id,
        "delegatedManagedIdentityResourceId": None,
        "description": given.get("description"),
    }
    body = {"properties": properties, "id": target.path, "type": ASSIGNMENT, "name": target.name}
    assignment = Resource(target.path, body)
    exchange.cloud.identities.spreading.made(assignment)
    exchange.cloud.resources.put(assignment)
    return Answer(201, body)


def _update_assignment(exchange: Exchange, existing: Resource) -> Answer:
    """Take the condition and the description that are sent; who sends the same changes nothing."""
    given = exchange.properties
    changed = {name: given.get(name) for name in ("condition", "conditionVersion", "description")}
    if all(existing.properties[name] == value for name, value in changed.items()):
        return Answer(200, existing.body)
    who = {"updatedOn": exchange.cloud.now(), "updatedBy": exchange.identity.object_id}
    body = existing.body | {"properties": existing.properties | changed | who}
    assignment = Resource(existing.id, body)
    # What is changed spreads as what is made: until then Azure goes by what was there.
    exchange.cloud.identities.spreading.removed(existing)
    exchange.cloud.identities.spreading.made(assignment)
    exchange.cloud.resources.put(assignment)
    return Answer(201, body)


def _check_condition(given: Body) -> None:
    condition = given.get("condition")
    if not condition:
        return
    if given.get("conditionVersion") != conditions.VERSION:
        message = f"A condition needs 'conditionVersion' {conditions.VERSION}."
        raise ArmError(400, "InvalidConditionVersion", message)
    try:
        conditions.parse(condition)
    except conditions.BadCondition as error:
        raise ArmError(400, "InvalidCondition", str(error)) from error


def _check_principal(cloud: Cloud, principal: str, principal_type: str | None) -> None:
    try:
        uuid.UUID(principal)
    except ValueError as error:
        message = f"The Principal ID '{principal}' is not valid. Principal ID must be a GUID."
        raise ArmError(400, "InvalidPrincipalId", message) from error
    if principal_type is None and not cloud.identities.knows(principal):
        message = (
            f"Principal {principal.replace('-', '')} does not exist in the directory "
            f"{cloud.identities.tenant_id}. Check that you have the correct principal ID. If you "
            "are creating this principal and then immediately assigning a role, this error might "
            "be related to a replication delay. In this case, set the role assignment "
            "principalType property to a value, such as ServicePrincipal, User, or Group.  See "
            "https://aka.ms/docs-principaltype"
        )
        raise ArmError(400, "PrincipalNotFound", message)


def _check_role(cloud: Cloud, role: str) -> None:
    guid = name_of(role).lower() if "/" in role else ""
    if guid in {built_in.guid for built_in in BUILT_IN_ROLES}:
        return
    if guid and cloud.identities.custom_role(guid) is not None:
        return
    message = f"The specified role definition with ID '{guid or role}' does not exist."
    raise ArmError(404, "RoleDefinitionDoesNotExist", message)


def _refuse_twin(exchange: Exchange, principal: str, role: str) -> None:
    for other in exchange.cloud.resources.of_type(ASSIGNMENT):
        same_place = scope_of(other.id).lower() == exchange.target.scope.lower()
        theirs = (other.properties["principalId"], name_of(other.properties["roleDefinitionId"]))
        if same_place and theirs == (principal, name_of(role)):
            raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")


async def _get_assignment(exchange: Exchange) -> Answer:
    existing = exchange.existing
    if existing is None:
        message = f"The role assignment '{exchange.target.name}' is not found."
        raise ArmError(404, "RoleAssignmentNotFound", message)
    return Answer(200, existing.body)


async def _list_assignments(exchange: Exchange) -> Answer:
    here = exchange.target.scope.lower() + "/"
    wanted = _PRINCIPAL_FILTER.search(exchange.query.get("$filter", ""))
    found = []
    for assignment in exchange.cloud.resources.of_type(ASSIGNMENT):
        scope = scope_of(assignment.id).lower() + "/"
        related = here.startswith(scope) or scope.startswith(here)
        if related and (wanted is None or assignment.properties["principalId"] == wanted[1]):
            found.append(assignment.body)
    return Answer(200, {"value": found})


async def _delete_assignment(exchange: Exchange) -> Answer:
    existing = exchange.existing
    if existing is None:
        return Answer(204)
    exchange.cloud.identities.spreading.removed(existing)
    exchange.cloud.resources.remove(existing.id)
    return Answer(200, existing.body)


ROUTES = (
    Route("PUT", DEFINITION, _put_definition),
    Route("GET", DEFINITION, _get_definition),
    Route("GET", DEFINITION, _list_definitions, "*"),
    Route("DELETE", DEFINITION, _delete_definition),
    Route("PUT", ASSIGNMENT, _put_assignment),
    Route("GET", ASSIGNMENT, _get_assignment),
    Route("GET", ASSIGNMENT, _list_assignments, "*"),
    Route("DELETE", ASSIGNMENT, _delete_assignment),
)
