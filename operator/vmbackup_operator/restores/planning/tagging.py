"""The tags of what is restored: the recorded ones with the target's over them, and none of ours."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import OWN_PREFIX, joined_tags
from vmbackup_operator.environments.bodies import Body, body_at
from vmbackup_operator.model.restore_session import RestoreTarget

#: Azure's most, less those that say whose a resource is and for which run.
MOST_TAGS = 47


def restored_tags(body: Body, target: RestoreTarget) -> Body:
    """Return the tags of a recorded body as they are set again; ours were the recorded one's."""
    recorded = {
        name: value
        for name, value in body_at(body, "tags").items()
        if isinstance(value, str) and not folded(name).startswith(OWN_PREFIX)
    }
    return dict(joined_tags(recorded, {tag.name: tag.value for tag in target.tags}))


def check_tags(body: Body, what: str) -> None:
    """Raise PermanentError where *what* would have more tags than Azure takes beside ours."""
    count = len(body_at(body, "tags"))
    if count > MOST_TAGS:
        message = (
            f"{what} would have {count} tags; beside the operator's own Azure takes {MOST_TAGS}"
        )
        raise PermanentError(message, reason="TooManyTags")
