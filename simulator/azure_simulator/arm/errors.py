"""Resource Manager's refusals: status, code and message as Azure words them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ArmError(Exception):
    """An answer with an error body; *gateway* marks those that Resource Manager gives itself."""

    def __init__(  # noqa: PLR0913 - an Azure error has these parts
        self,
        status: int,
        code: str,
        message: str,
        *,
        gateway: bool = False,
        target: str | None = None,
        details: Sequence[Mapping[str, str]] | None = None,
        additional: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.gateway = gateway
        self.target = target
        self.details = details
        self.additional = additional
        self.headers = dict(headers or {})

    def inner(self) -> dict[str, Any]:
        """Return what stands under ``error``."""
        inner: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            inner["target"] = self.target
        if self.details is not None:
            inner["details"] = [dict(detail) for detail in self.details]
        if self.additional is not None:
            inner["additionalInfo"] = [dict(info) for info in self.additional]
        return inner

    def body(self) -> dict[str, Any]:
        """Return the answer's body."""
        return {"error": self.inner()}


def authorization_failed(client_id: str, object_id: str, action: str, scope: str) -> ArmError:
    """Return what a caller without the right to *action* is told."""
    message = (
        f"The client '{client_id}' with object id '{object_id}' does not have authorization to "
        f"perform action '{action}' over scope '{scope}' or the scope is invalid. If access was "
        "recently granted, please refresh your credentials."
    )
    return ArmError(403, "AuthorizationFailed", message, gateway=True)


def linked_authorization_failed(
    client_id: str, object_id: str, done: tuple[str, str], missing: tuple[str, str]
) -> ArmError:
    """Return what a caller is told who may do *done*, but not *missing* to what it refers to.

    Both are an action and its scope.
    """
    message = (
        f"The client '{client_id}' with object id '{object_id}' has permission to perform action "
        f"'{done[0]}' on scope '{done[1]}'; however, it does not have permission to perform "
        f"action(s) '{missing[0]}' on the linked scope(s) '{missing[1]}' (respectively) or the "
        "linked scope(s) are invalid."
    )
    return ArmError(403, "LinkedAuthorizationFailed", message, gateway=True)


def group_not_found(name: str) -> ArmError:
    """Return what a request below a missing resource group is told."""
    message = f"Resource group '{name}' could not be found."
    return ArmError(404, "ResourceGroupNotFound", message, gateway=True)


def resource_not_found(kind: str, name: str, group: str) -> ArmError:
    """Return Resource Manager's own 404 for a tracked resource."""
    message = (
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more "
        "details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return ArmError(404, "ResourceNotFound", message, gateway=True)


def parent_not_found(verb: str, kind: str, parent_id: str) -> ArmError:
    """Return what a request for a child of a missing resource is told."""
    short = kind.split("/", 1)[1]
    message = (
        f"Failed to perform '{verb}' on resource(s) of type '{short}', because the parent resource "
        f"'{parent_id}' could not be found."
    )
    return ArmError(404, "ParentResourceNotFound", message, gateway=True)


def invalid_parameter(target: str, problem: str = "") -> ArmError:
    """Return Compute's refusal of a parameter."""
    message = problem or f"The value of parameter {target} is invalid."
    return ArmError(400, "InvalidParameter", message, target=target)


def invalid_reference(referenced: str, referring: str) -> ArmError:
    """Return the network provider's refusal of an id that names nothing."""
    message = (
        f"Resource {referenced} referenced by resource {referring} was not found. Please make sure "
        "that the referenced resource exists, and that both resources are in the same region."
    )
    return ArmError(400, "InvalidResourceReference", message, details=[])


def not_allowed(message: str) -> ArmError:
    """Return Compute's 409 for what the state of things forbids."""
    return ArmError(409, "OperationNotAllowed", message)
