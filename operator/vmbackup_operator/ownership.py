"""What is ours in Azure: sealed tags that prove it, each bound to the ARM id of its resource.

A plain tag can be put on anything by anybody who may write tags, so it is information for people
and proves nothing. The tag ``vmbackup-owner`` does:

    vmbackup-owner    ``1 <key id> <base64 of an HMAC-SHA256>``

The HMAC, under a key derived from the appliance's key ring, is over the version, the key's id, the
appliance's id and the resource's ARM id in small letters. Copied to another resource it does not
verify there. It says the same each time, so a resource that has it needs no writing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmbackup_core.errors import PermanentError
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import tag_value
from vmbackup_operator.naming import ArmId

OWNER_TAG = "vmbackup-owner"

#: Begins the sealed tags of a snapshot; its first two words are those of `OWNER_TAG`.
SNAPSHOT_TAG = "vmbackup-sealed"

#: What the keys of `Ownership` are derived for.
PURPOSE = "ownership 1"

_VERSION = "1"

#: What a key of the ring may be called, short enough to stand in a tag.
KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


def key_named(tags: Mapping[str, object], tag: str) -> str | None:
    """Return the id of the key that sealed the value of *tag*, None where it names none.

    It is what the tag says; whether the seal is genuine only the key can tell.
    """
    version, key_id = _head(tag_value(tags, tag) or "")
    return key_id if version == _VERSION and KEY_ID.fullmatch(key_id) else None


@dataclass(frozen=True, slots=True)
class Ownership:
    """The appliance's word for what is its own; *active* is the id of the key that seals."""

    appliance_id: str
    active: str
    keys: Mapping[str, bytes] = field(repr=False)

    def sealed_tag(self, resource_id: ArmId) -> dict[str, str]:
        """Return the tag that proves the resource ours; the same one each time."""
        return {OWNER_TAG: self._value(self.active, resource_id)}

    def owns(self, resource_id: ArmId, tags: Mapping[str, object]) -> bool:
        """Tell whether *tags* prove that the resource is ours."""
        return not self.doubt(resource_id, tags)

    def doubt(self, resource_id: ArmId, tags: Mapping[str, object]) -> str:
        """Return why *tags* do not prove that the resource is ours, empty where they do."""
        said = tag_value(tags, OWNER_TAG)
        if said is None:
            return f"it has no tag {OWNER_TAG}"
        version, key_id = _head(said)
        if version != _VERSION:
            return f"its tag {OWNER_TAG} was altered, or is of another version"
        if key_id not in self.keys:
            return (
                f"its tag {OWNER_TAG} names key {key_id[:40]!r}, which the key ring does not hold"
            )
        if not hmac.compare_digest(said.encode(), self._value(key_id, resource_id).encode()):
            return f"its tag {OWNER_TAG} does not verify: altered, or made for another resource"
        return ""

    def lacks_key(self, tags: Mapping[str, object]) -> bool:
        """Tell whether *tags* are sealed with a key that the ring does not hold.

        Then the resource may be ours; nobody can tell until the key is back.
        """
        key_id = key_named(tags, OWNER_TAG)
        return key_id is not None and key_id not in self.keys

    def check_ours(self, resource_id: ArmId, tags: Mapping[str, object]) -> None:
        """Refuse, by a PermanentError, to act on a resource whose *tags* do not prove it ours.

        One whose key was taken out of the ring may be ours: that is said, and mended by the key.
        """
        doubt = self.doubt(resource_id, tags)
        if doubt:
            reason = "KeyRingIncomplete" if self.lacks_key(tags) else "NotOurs"
            raise PermanentError(f"{resource_id} may be somebody else's: {doubt}", reason=reason)

    def _value(self, key_id: str, resource_id: ArmId) -> str:
        words = ("vmbackup ownership", _VERSION, key_id, self.appliance_id, folded(resource_id))
        mac = hmac.new(self.keys[key_id], "\n".join(words).encode(), hashlib.sha256).digest()
        return f"{_VERSION} {key_id} {base64.b64encode(mac).decode('ascii')}"


def _head(said: str) -> tuple[str, str]:
    """Return the version and the key's id that the value of an owner's tag begins with."""
    version, key_id, _ = [*said.split(" "), "", ""][:3]
    return version, key_id
