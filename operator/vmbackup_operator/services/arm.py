"""Resource Manager's answers as REST bodies, its absences as None, its refusals as our errors."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import msgspec
from azure.core.exceptions import HttpResponseError

from vmbackup_operator.environments.bodies import Body
from vmbackup_operator.naming import ArmId, name_of, resource_group_of, subscription_of
from vmbackup_operator.services.failures import code_and_message, translated

_NOT_FOUND = 404


class Model(Protocol):
    """What the SDK makes of an answer; it keeps properties that it does not know."""

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as Azure wrote it."""


@dataclass(frozen=True, slots=True)
class Address:
    """An ARM id taken apart, as the SDK wants it."""

    subscription_id: str
    group: str
    name: str
    parent: str


def address(resource_id: ArmId) -> Address:
    """Return the parts of *resource_id*; *parent* is the name two segments before the last."""
    segments = resource_id.rstrip("/").split("/")
    return Address(
        subscription_of(resource_id), resource_group_of(resource_id), segments[-1], segments[-3]
    )


def encoded(body: Body) -> BytesIO:
    """Return *body* as the SDK sends it unchanged."""
    return BytesIO(msgspec.json.encode(body))


async def find(what: str, call: Awaitable[Model]) -> Body | None:
    """Return what *call* answers, or None where Azure says that there is no such resource."""
    with translated(what):
        try:
            return (await call).as_dict()
        except HttpResponseError as error:
            # A wrong subscription is a 404 too, but nothing will ever be found there.
            code, _ = code_and_message(error)
            if error.status_code == _NOT_FOUND and code != "SubscriptionNotFound":
                return None
            raise


async def ended(what: str, call: Awaitable[Poller]) -> Body:
    """Return what the operation that *call* begins comes to."""
    with translated(what):
        poller = await call
        result = await poller.result()
        return {} if result is None else dict(result.as_dict())


class Poller(Protocol):
    """An operation that was begun."""

    async def result(self) -> Any:
        """Return what it comes to, or raise."""


def reading(resource_id: ArmId) -> str:
    """Return how a look at the resource is called in errors."""
    return f"reading {name_of(resource_id)} in {resource_group_of(resource_id)}"


def writing(resource_id: ArmId) -> str:
    """Return how a change of the resource is called in errors."""
    return f"writing {name_of(resource_id)} in {resource_group_of(resource_id)}"
