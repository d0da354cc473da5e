"""What runs make in groups of others: marked and sealed as theirs, and told by that again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import RunId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import joined_tags, tag_value
from vmbackup_operator.environments.bodies import Body, body_at, text_at
from vmbackup_operator.naming import APPLIANCE_TAG, RUN_TAG, ArmId
from vmbackup_operator.ownership import Ownership
from vmbackup_operator.services.arm_resources import ArmResources
from vmbackup_operator.services.operations import Operations
from vmbackup_operator.services.resource_kinds import ResourceKind

#: Has Azure delete a resource of a kind.
Delete = Callable[[ResourceKind, ArmId], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose a resource is, and whether Azure has made it.

    *run_id* made it, as tags say that prove it ours; None where it is somebody else's, and then
    *doubt* says why. *failure* is why Azure gave up on it, else None.
    """

    run_id: RunId | None
    ready: bool
    failure: str | None
    doubt: str


def marked(body: Body, ownership: Ownership, resource_id: ArmId, run_id: RunId) -> Body:
    """Return *body* with the tags that prove who makes it, beside those that it has."""
    texts = {name: value for name, value in body_at(body, "tags").items() if isinstance(value, str)}
    own = {
        APPLIANCE_TAG: ownership.appliance_id,
        RUN_TAG: run_id,
        **ownership.sealed_tag(resource_id),
    }
    return {**body, "tags": {**joined_tags(texts, own)}}


def check_made_by(run_id: RunId, body: Body, ownership: Ownership, resource_id: ArmId) -> None:
    """Raise PermanentError where the resource does not prove to be made by the run."""
    tags = body_at(body, "tags")
    ownership.check_ours(resource_id, tags)
    if tag_value(tags, RUN_TAG) != run_id:
        raise PermanentError(f"{resource_id} was made by another run", reason="NotOurs")


def is_being_deleted(body: Body) -> bool:
    """Tell whether Azure is deleting the resource: it would refuse to begin anew."""
    return folded(text_at(body, "properties", "provisioningState")) == "deleting"


def standing_of(body: Body, ownership: Ownership) -> Standing:
    """Return what Azure's *body* says of who made the resource, and how far it is."""
    tags = body_at(body, "tags")
    doubt = ownership.doubt(ArmId(text_at(body, "id")), tags)
    run = None if doubt else tag_value(tags, RUN_TAG)
    state = folded(text_at(body, "properties", "provisioningState"))
    return Standing(
        run_id=None if run is None else RunId(run),
        ready=state in {"", "succeeded"},
        failure=f"Azure ended it as {state}" if state in {"failed", "canceled"} else None,
        doubt=doubt,
    )


@dataclass(frozen=True, slots=True)
class MadeByRuns:
    """Deletes what runs made, each once it proves to be of the run that asks."""

    resources: ArmResources
    operations: Operations
    ownership: Ownership

    async def delete(
        self, kind: ResourceKind, resource_id: ArmId, run_id: RunId, delete: Delete
    ) -> bool:
        """Return True once the resource is gone, False while Azure deletes it.

        Raise PermanentError where it does not prove to be made by the run.
        """
        key = f"delete {folded(resource_id)}"
        if not self.operations.under_way(key):
            body = await self.resources.find(kind, resource_id)
            if body is None:
                return True
            check_made_by(run_id, body, self.ownership, resource_id)
            if is_being_deleted(body):
                return False
        await self.operations.advance(key, lambda: delete(kind, resource_id))
        return False
