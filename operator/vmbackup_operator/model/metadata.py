"""What every object has whatever its kind: its metadata, its key, and our group's words."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from typing_extensions import override

GROUP: Final = "vmbackup.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

#: On a policy, written by a user: any change of its value asks for one session per VM, now.
TRIGGER_ANNOTATION: Final = "vmbackup.dev/trigger"

#: On a policy, written by a user: the value of the trigger whose backups begin new chains.
NEW_CHAIN_ANNOTATION: Final = "vmbackup.dev/new-chain"

#: So much of its value counts: no schema bounds an annotation, but one bounds what we write of it.
MAX_TRIGGER: Final = 256

#: On a repository, written by a user: any change of its value asks for a pass of upkeep, now.
UPKEEP_ANNOTATION: Final = "vmbackup.dev/upkeep"

#: On a repository, written by a user: the log's head, NUMBER:DIGEST, whose history is accepted.
ACCEPT_HISTORY_ANNOTATION: Final = "vmbackup.dev/accept-history"
MAX_ACCEPT_HISTORY: Final = 128

#: On what upkeep makes: the repository that it is for, as a label may have it.
REPOSITORY_LABEL: Final = "vmbackup.dev/repository"

#: On a session, written by a user: any change of its value ends the pause before its next attempt.
RETRY_ANNOTATION: Final = "vmbackup.dev/retry"

#: On a restore of mode Rewind, written by a user: the token in its status, which has the new disks
#: take the place of the VM's own.
SWAP_ANNOTATION: Final = "vmbackup.dev/swap"

#: On objects for which something outside of Kubernetes must be undone before they go.
FINALIZER: Final = "vmbackup.dev/undo"

#: On sessions and recovery points: the policy that asked for them (there are no ownerReferences).
POLICY_LABEL: Final = "vmbackup.dev/policy"

#: On a policy's sessions: the generation of the policy that they were made from.
POLICY_GENERATION_ANNOTATION: Final = "vmbackup.dev/policy-generation"
#: Of which period a policy's archive session copies the first point.
ARCHIVE_PERIOD_ANNOTATION: Final = "vmbackup.dev/archive-period"

#: On everything the operator creates: which appliance it was.
APPLIANCE_LABEL: Final = "vmbackup.dev/appliance"

#: On a Secret that holds a repository's key, written by its owner: others are never looked into.
KEY_LABEL: Final = "vmbackup.dev/key"
KEY_LABELLED: Final = "true"

#: On everything the operator creates: a cluster backup must not bring these back as they were.
EXCLUDE_FROM_CLUSTER_BACKUP: Final = {"velero.io/exclude-from-backup": "true"}


class ObjectKey(msgspec.Struct, frozen=True, order=True):
    """Where an object lies: all that is needed to read it again."""

    namespace: str
    name: str

    @override
    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Metadata(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The part of an object's metadata that we look at; the rest stays with the API server."""

    name: str
    namespace: str
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.namespace, self.name)
