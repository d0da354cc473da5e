"""The sealed tags that make the snapshots of a VM's disks one snapshot set.

What a snapshot is, for which disk and run, and where it stands in its set, is a JSON object sealed
with AES-256-GCM and spread over tags that begin with ``vmbackup-``:

    vmbackup-sealed      ``1 <key id> <number of parts>``
    vmbackup-sealed-0    the first 256 characters of base64(nonce, ciphertext and its 16-byte tag)
    vmbackup-sealed-1    the next, and so on

The snapshot's own ARM id, lower case, is authenticated along, so that tags copied to another
snapshot do not verify there. The id is computed: the tags are in the PUT that creates the snapshot.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import DiskUniqueId, RepositoryId, RunId
from vmbackup_core.retention.in_force import Stamp
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_tags import folded_tags
from vmbackup_operator.naming import ArmId, same_id
from vmbackup_operator.ownership import SNAPSHOT_TAG
from vmbackup_operator.sessions.keys import ApplianceKey, KeyRing
from vmbackup_operator.sessions.seen import SnapshotSeen

SEALED_TAG = SNAPSHOT_TAG

#: The reason of tags that nobody can judge, since the key that sealed them is not in the ring.
KEY_UNKNOWN = "TagsKeyUnknown"

_VERSION = "1"
_PURPOSE = "snapshot tags 1"
_NONCE_BYTES = 12
#: Azure's limit for the value of a tag.
_TAG_CHARACTERS = 256
#: Azure takes 50 tags on a resource; sources' tags and ours in the open want some of them.
_MAX_PARTS = 30


class MemberFacts(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """What the tags of one snapshot say: *position* of *members* in the set of run *run_id*.

    *policy* is whose count of sets it belongs to, as namespace/name; namespace/ for a user's.
    *changes_untrusted*: what Azure told as the changes of this disk was found to be wrong.
    *repository_id* is the repository that the run stores into: only that one can tell whether a
    recovery point stands for the snapshot. *alone*: none of any does, and the set is itself what is
    kept; then the *stamp* of its first member says for how long.
    """

    run_id: RunId
    virtual_machine_id: ArmId
    disk_id: ArmId
    disk_unique_id: DiskUniqueId
    lun: int | None
    position: int
    members: int
    previous_snapshot_id: ArmId | None = None
    policy: str = ""
    changes_untrusted: bool = False
    repository_id: RepositoryId | None = None
    alone: bool = False
    stamp: Stamp | None = None


class TagsNotGenuine(PermanentError):
    """Tags that are missing, altered, or not made for this snapshot by this appliance."""


def seal_tags(
    key: ApplianceKey, snapshot_id: ArmId, facts: MemberFacts, *, nonce: bytes | None = None
) -> dict[str, str]:
    """Return the tags that say *facts* of the snapshot; a *nonce* is given by golden tests only."""
    nonce = os.urandom(_NONCE_BYTES) if nonce is None else nonce
    plain = msgspec.json.encode(facts)
    # base64 makes 4 characters of 3 bytes; the number of parts is authenticated, so it comes first.
    characters = -(-(len(plain) + _NONCE_BYTES + 16) // 3) * 4
    parts = -(-characters // _TAG_CHARACTERS)
    if parts > _MAX_PARTS:
        raise PermanentError(
            f"what is to be said of snapshot {snapshot_id} takes {parts} tags", reason="TagsTooLong"
        )
    head = f"{_VERSION} {key.id} {parts}"
    cipher = AESGCM(key.for_purpose(_PURPOSE))
    sealed = nonce + cipher.encrypt(nonce, plain, _associated(head, snapshot_id))
    text = base64.b64encode(sealed).decode("ascii")
    tags = {SEALED_TAG: head}
    for part in range(parts):
        start = part * _TAG_CHARACTERS
        tags[f"{SEALED_TAG}-{part}"] = text[start : start + _TAG_CHARACTERS]
    return tags


def open_tags(ring: KeyRing, snapshot_id: ArmId, tags: Mapping[str, str]) -> MemberFacts:
    """Return what *tags* say of the snapshot; raise TagsNotGenuine."""
    tags = folded_tags(tags)  # Azure keeps no case of names
    head = tags.get(SEALED_TAG)
    if head is None:
        raise TagsNotGenuine(f"{snapshot_id}: tag {SEALED_TAG} is missing", reason="TagsMissing")
    version, key_id, parts = _read_head(head, snapshot_id)
    if version != _VERSION:
        raise TagsNotGenuine(
            f"{snapshot_id}: tags of version {version}, known is {_VERSION}", reason="TagsUnknown"
        )
    key = ring.find(key_id)
    if key is None:
        raise TagsNotGenuine(
            f"{snapshot_id}: tags sealed with key {key_id}, which the key ring does not hold",
            reason=KEY_UNKNOWN,
        )
    return _unsealed(key, head, snapshot_id, _joined(tags, parts, snapshot_id))


def check_ours(ring: KeyRing, snapshot_id: ArmId, tags: Mapping[str, str]) -> None:
    """Refuse, by a PermanentError, to delete a snapshot whose *tags* do not prove it ours.

    One whose key was taken out of the ring may be ours: that is said, and mended by the key.
    """
    try:
        open_tags(ring, snapshot_id, tags)
    except TagsNotGenuine as error:
        reason = KEY_UNKNOWN if error.reason == KEY_UNKNOWN else "NotOurs"
        raise PermanentError(f"{error}: it is left alone", reason=reason) from error


def _read_head(head: str, snapshot_id: ArmId) -> tuple[str, str, int]:
    words = head.split(" ")
    if len(words) == 3 and words[2].isdecimal() and int(words[2]) <= _MAX_PARTS:  # noqa: PLR2004 - its three words
        return words[0], words[1], int(words[2])
    raise TagsNotGenuine(f"{snapshot_id}: tag {SEALED_TAG} was altered", reason="TagsAltered")


def _joined(tags: Mapping[str, str], parts: int, snapshot_id: ArmId) -> str:
    names = [f"{SEALED_TAG}-{part}" for part in range(parts)]
    missing = [name for name in names if name not in tags]
    if missing:
        raise TagsNotGenuine(
            f"{snapshot_id}: tag {', '.join(missing)} is missing", reason="TagsMissing"
        )
    return "".join(tags[name] for name in names)


def _unsealed(key: ApplianceKey, head: str, snapshot_id: ArmId, text: str) -> MemberFacts:
    try:
        sealed = base64.b64decode(text, validate=True)
        if base64.b64encode(sealed).decode("ascii") != text:
            # The last character has bits that decode to nothing: altered is altered.
            raise binascii.Error("not as it was encoded")
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        cipher = AESGCM(key.for_purpose(_PURPOSE))
        plain = cipher.decrypt(nonce, ciphertext, _associated(head, snapshot_id))
        return msgspec.json.decode(plain, type=MemberFacts)
    except (binascii.Error, ValueError, InvalidTag, msgspec.MsgspecError):
        raise TagsNotGenuine(
            f"{snapshot_id}: its {SEALED_TAG} tags do not verify: they were altered, or made for "
            "another snapshot",
            reason="TagsAltered",
        ) from None


def _associated(head: str, snapshot_id: ArmId) -> bytes:
    return f"vmbackup snapshot tags\n{head}\n{folded(snapshot_id)}".encode()


@dataclass(frozen=True, slots=True)
class SnapshotSet:
    """A snapshot set all of whose members were found and verified, in order of position."""

    run_id: RunId
    virtual_machine_id: ArmId
    members: tuple[tuple[SnapshotSeen, MemberFacts], ...]
    policy: str = ""
    alone: bool = False

    @property
    def stamp(self) -> Stamp | None:
        """How sets of its VM are kept, as it says itself; None where it says nothing of that."""
        return self.members[0][1].stamp


def verified_set(ring: KeyRing, snapshots: Sequence[SnapshotSeen]) -> SnapshotSet:
    """Return *snapshots* as the one whole set that they are; raise TagsNotGenuine.

    Each must verify, be of the disk that it says, and all together fill one set of one run.
    """
    if not snapshots:
        raise TagsNotGenuine("no snapshot of the set is there", reason="SetIncomplete")
    members = [(seen, _member(ring, seen)) for seen in snapshots]
    members.sort(key=lambda member: member[1].position)
    first = members[0][1]
    for seen, facts in members:
        if (facts.run_id, facts.members) != (first.run_id, first.members) or not same_id(
            facts.virtual_machine_id, first.virtual_machine_id
        ):
            raise TagsNotGenuine(
                f"{seen.id} is of run {facts.run_id}, others of the set of run {first.run_id}",
                reason="SetMixed",
            )
    positions = [facts.position for _, facts in members]
    if positions != list(range(first.members)):
        raise TagsNotGenuine(
            f"the snapshot set of run {first.run_id} has {first.members} members, found are "
            f"those at {', '.join(map(str, positions))}",
            reason="SetIncomplete",
        )
    return SnapshotSet(
        first.run_id, first.virtual_machine_id, tuple(members), first.policy, first.alone
    )


def _member(ring: KeyRing, seen: SnapshotSeen) -> MemberFacts:
    facts = open_tags(ring, seen.id, seen.tags)
    if not same_id(facts.disk_id, seen.source_disk_id) or (
        facts.disk_unique_id != seen.source_unique_id
    ):
        raise TagsNotGenuine(
            f"{seen.id} is of disk {seen.source_disk_id}, its tags say {facts.disk_id}",
            reason="TagsAltered",
        )
    return facts
