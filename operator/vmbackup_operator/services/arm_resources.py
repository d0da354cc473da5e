"""Resources of Resource Manager: looked at, written, deleted and listed, whatever their kind.

Bodies are as REST has them, an absence is None, a refusal one of our errors.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from inspect import iscoroutine
from io import BytesIO
from typing import Any

import msgspec
from azure.core.exceptions import HttpResponseError

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.environments.bodies import Body, text_at
from vmbackup_operator.environments.seals import RegionSeals
from vmbackup_operator.naming import ArmId, name_of, resource_group_of
from vmbackup_operator.services.clients import Clients
from vmbackup_operator.services.failures import code_and_message
from vmbackup_operator.services.following import AZURES_PACE, Following, PollingPace
from vmbackup_operator.services.resource_kinds import (
    KINDS,
    NOT_FOLLOWED,
    Description,
    How,
    Model,
    Poller,
    ResourceKind,
    address,
)
from vmbackup_operator.services.shared_reads import SharedReads, group, group_of

_NOT_FOUND = 404
_ACCOUNTS = "list accounts"


class ArmResources:
    """All kinds of resources, by `KINDS`.

    Looks are shared for seconds (`SharedReads`); a write is seen by whoever looks after it. Lists
    tell *seals* which keys seal what, and no write goes to where one of those is missing.
    """

    def __init__(
        self,
        clients: Clients,
        reads: SharedReads,
        seals: RegionSeals,
        pace: PollingPace = AZURES_PACE,
    ) -> None:
        self.clients = clients
        self._reads = reads
        self._seals = seals
        self._pace = pace

    def following(self, *, shows: bool = False) -> Following:
        """Return what follows an operation to its end, and then *shows* what it came to."""
        return Following(shows=shows, pace=self._pace)

    async def find(self, kind: ResourceKind, resource_id: ArmId) -> Body | None:
        """Return the resource, or None where there is none."""
        description, at = KINDS[kind], address(resource_id)
        if kind == "StorageAccount" and self._reads.has(group(at.subscription_id, ""), _ACCOUNTS):
            # Of a subscription whose accounts are listed anyway.
            return (await self._accounts(at.subscription_id)).find(resource_id)

        async def ask() -> Body | None:
            what = f"reading {_named(description, resource_id)}"
            with self.clients.translated(what):
                return await _unless_missing(description.find(self.clients, at))

        where = group_of(resource_id)
        return await self._reads.read(where, f"find {kind} {folded(resource_id)}", ask)

    async def of_group(
        self, kind: ResourceKind, subscription_id: str, resource_group: str
    ) -> Sequence[Body]:
        """Return every resource of the kind in the resource group; none where it is missing."""
        return (await self._listed(kind, subscription_id, resource_group, None)).bodies

    async def _listed(
        self, kind: ResourceKind, subscription_id: str, resource_group: str, about: ArmId | None
    ) -> _Listing:
        description = KINDS[kind]
        if description.of_group is None:
            raise AssertionError(f"nobody lists a {description.words}")
        call = description.of_group

        async def ask() -> _Listing:
            with self.clients.translated(f"listing each {description.words} in {resource_group}"):
                listed = await _listed(call(self.clients, subscription_id, resource_group))
            self._seals.note_list(kind, subscription_id, resource_group, listed)
            return _Listing(listed)

        where = group(subscription_id, resource_group)
        return await self._reads.read(where, f"list {kind}", ask, about)

    async def storage_accounts(self, subscription_id: str) -> Sequence[Body]:
        """Return every storage account of the subscription."""
        return (await self._accounts(subscription_id)).bodies

    async def _accounts(self, subscription_id: str) -> _Listing:
        async def ask() -> _Listing:
            accounts = self.clients.storage(subscription_id).storage_accounts
            with self.clients.translated(f"listing storage accounts of {subscription_id}"):
                return _Listing([dict(account.as_dict()) async for account in accounts.list()])

        return await self._reads.read(group(subscription_id, ""), _ACCOUNTS, ask)

    async def find_listed(self, kind: ResourceKind, resource_id: ArmId) -> Body | None:
        """Return the resource out of its group's list, or None: for what is looked at by many."""
        at = address(resource_id)
        listed = await self._listed(kind, at.subscription_id, at.group, resource_id)
        return listed.find(resource_id)

    async def put(
        self, kind: ResourceKind, resource_id: ArmId, body: Body, *, shows: bool = True
    ) -> Body:
        """Write the resource, and return it when Azure has finished.

        Where *shows* is False the caller looks at it anyway, and what is returned says nothing.
        """
        description = KINDS[kind]
        if description.put is None:
            raise AssertionError(f"nobody writes a {description.words}")
        following = self.following(shows=shows)
        call = description.put(self.clients, address(resource_id), encoded(body), following)
        what = f"writing {_named(description, resource_id)}"
        return await self.carry_out(what, resource_id, call, region=text_at(body, "location"))

    async def begin(self, kind: ResourceKind, resource_id: ArmId, body: Body) -> Body:
        """Ask for the resource to be written, and return once Azure has taken that on.

        For what is looked at until it is good: how the operation ends is not asked for.
        """
        description = KINDS[kind]
        if description.put is None:
            raise AssertionError(f"nobody writes a {description.words}")
        call = description.put(self.clients, address(resource_id), encoded(body), NOT_FOLLOWED)
        what = f"asking for {_named(description, resource_id)}"
        return await self.carry_out(what, resource_id, call, region=text_at(body, "location"))

    async def delete(self, kind: ResourceKind, resource_id: ArmId) -> bool:
        """Return True once Azure has deleted the resource; what is gone already counts."""
        await self._delete(kind, resource_id, self.following())
        return True

    async def begin_delete(self, kind: ResourceKind, resource_id: ArmId) -> bool:
        """Return True once Azure has taken the deletion on, for what is looked at until gone."""
        await self._delete(kind, resource_id, NOT_FOLLOWED)
        return True

    async def _delete(self, kind: ResourceKind, resource_id: ArmId, how: How) -> None:
        description = KINDS[kind]
        if description.delete is None:
            raise AssertionError(f"nobody deletes a {description.words}")
        call = description.delete(self.clients, address(resource_id), how)
        what = f"deleting {_named(description, resource_id)}"
        await self.carry_out(what, resource_id, call, missing_is_fine=True)

    async def carry_out(
        self,
        what: str,
        resource_id: ArmId,
        call: Awaitable[Model | Poller],
        *,
        missing_is_fine: bool = False,
        region: str = "",
        ends_access: bool = False,
    ) -> Body:
        """Return what the request, or the operation that it begins, comes to; *what* names it.

        Nothing is sent to where a key of the ring is missing, unless it only *ends access*. Where
        the resource is, is told by *region* if it may not have been listed yet.
        """
        if not ends_access:
            self._check_keys(resource_id, region, call)
        with self.clients.translated(what):
            try:
                return await _end(call, lambda: self.forget(resource_id))
            except HttpResponseError as error:
                if missing_is_fine and error.status_code == _NOT_FOUND:
                    return {}
                raise
            finally:
                self.forget(resource_id)

    def _check_keys(self, resource_id: ArmId, region: str, call: Awaitable[Model | Poller]) -> None:
        try:
            self._seals.check_write(resource_id, region)
        except PermanentError:
            if iscoroutine(call):
                call.close()  # it was not begun
            raise

    def forget(self, resource_id: ArmId) -> None:
        """Serve nobody who looks for the resource by what was read of it before this.

        What is written here is forgotten anyway: this is for what Azure changes along with it.
        """
        where = group_of(resource_id)
        self._reads.forget(where, resource_id)
        self._reads.forget(group(where.subscription, ""))


class _Listing:
    """A list, and its resources by their ids: it is looked into by many while it is fresh."""

    def __init__(self, bodies: Sequence[Body]) -> None:
        self.bodies = bodies
        self._by_id: Mapping[str, Body] | None = None

    def find(self, resource_id: ArmId) -> Body | None:
        """Return the resource, or None."""
        if self._by_id is None:
            self._by_id = {folded(text_at(body, "id")): body for body in self.bodies}
        return self._by_id.get(folded(resource_id))


async def _listed(models: AsyncIterable[Model]) -> list[Body]:
    try:
        return [dict(model.as_dict()) async for model in models]
    except HttpResponseError as error:
        if _is_missing_group(error):
            return []
        raise


async def _end(call: Awaitable[Model | Poller], begun: Callable[[], None]) -> Body:
    begun()
    answer: Any = await call
    begun()
    if hasattr(answer, "result"):
        answer = await answer.result()
    return {} if answer is None else dict(answer.as_dict())


async def _unless_missing(call: Awaitable[Model]) -> Body | None:
    try:
        return dict((await call).as_dict())
    except HttpResponseError as error:
        # A wrong subscription is a 404 too, but nothing will ever be found there.
        code, _ = code_and_message(error)
        if error.status_code == _NOT_FOUND and code != "SubscriptionNotFound":
            return None
        raise


def _is_missing_group(error: HttpResponseError) -> bool:
    code, _ = code_and_message(error)
    return error.status_code == _NOT_FOUND and code == "ResourceGroupNotFound"


def encoded(body: Body) -> BytesIO:
    """Return *body* as the SDK sends it unchanged."""
    return BytesIO(msgspec.json.encode(body))


def _named(description: Description, resource_id: ArmId) -> str:
    """Return how the resource is called in errors."""
    name = f"{description.words} {name_of(resource_id)}"
    if description.words == "resource group":
        return name
    return f"{name} in {resource_group_of(resource_id)}"
