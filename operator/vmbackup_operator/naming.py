"""Names and identities, computed so that they are the same after any crash or reinstall.

Nothing here looks anything up. A run id names one BackupSession wherever it leaves a trace; what a
session makes in Azure is called by it, what a region keeps is called by (appliance, subscription,
region). Uids of policies and environments are never used: GitOps and cluster restores change them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import NewType

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import JobId, LaunchNonce, RunId, WorkerId
from vmbackup_operator.arm_ids import folded
from vmbackup_operator.arm_ids import lies_within as lies_within  # noqa: PLC0414 - of names, too
from vmbackup_operator.arm_ids import same_id as same_id  # noqa: PLC0414
from vmbackup_operator.model.metadata import ObjectKey

#: The id of an Azure resource, as its path; compared without case.
ArmId = NewType("ArmId", str)

APPLIANCE_TAG = "vmbackup-appliance-id"
RUN_TAG = "vmbackup-run-id"
WORKER_TAG = "vmbackup-worker-id"

#: How the names of all queues begin that workers converse by.
QUEUES = "vmb-"

# 20 of a run id's 32 digits: 80 bits, and room for a worker's number in a queue's 63 characters.
_RUN_DIGITS = 20
_SNAPSHOT_NAME = re.compile(f"vmb-[0-9a-f]{{{_RUN_DIGITS}}}-(os|[0-9]+)")
_WORKER_ID = f"[0-9a-f]{{{_RUN_DIGITS}}}-[0-9]+"
_WORKER_VM_NAME = re.compile(f"vmb-w-({_WORKER_ID})")
_LAUNCH_COMMAND = re.compile(f"vmb-launch-{_WORKER_ID}")
# Of a launch's nonce: two launches of one worker need other queues, never a secret.
_LAUNCH_DIGITS = 8
_QUEUE = re.compile(f"vmb-(jobs|events)-{_WORKER_ID}-[0-9a-f]{{{_LAUNCH_DIGITS}}}")
_MESSAGE_BLOB = re.compile(f"({_WORKER_ID}/[0-9a-f]{{{_LAUNCH_DIGITS}}}/).*", re.DOTALL)
# 36 + 1 + 6 + 1 + 12 stays below the 63 characters that a label's value may have.
_POLICY_CHARACTERS = 36
# So many names of a region's account are tried where the ones before are taken.
_ACCOUNT_NAMES = 8
# What a label's value may hold.
_LABEL_CHARACTERS = 63


def digest(*parts: str) -> bytes:
    """Return the SHA-256 of *parts*, each preceded by its length: none runs into the next."""
    hashed = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(4, "big"))
        hashed.update(encoded)
    return hashed.digest()


def _letters(count: int, *parts: str) -> str:
    """Return *count* characters of a-z and 2-7 that stand for *parts*; five bits each."""
    return folded(base64.b32encode(digest(*parts)).decode())[:count]


# ARM ids


def arm_id(subscription_id: str, resource_group: str, resource_type: str, name: str) -> ArmId:
    """Return the id of a resource of *resource_type*, as in ``Microsoft.Compute/snapshots``."""
    return ArmId(
        f"/subscriptions/{subscription_id}/resourceGroups/{resource_group}"
        f"/providers/{resource_type}/{name}"
    )


def _part_behind(identity: str, key: str) -> str:
    parts = identity.split("/")
    for part, following in pairwise(parts):
        if folded(part) == key and following:
            return following
    raise PermanentError(f"{identity} is no ARM id: it names no {key}", reason="InvalidArmId")


def subscription_of(identity: ArmId) -> str:
    """Return the subscription that *identity* lies in, lower case."""
    return folded(_part_behind(identity, "subscriptions"))


def resource_group_of(identity: ArmId) -> str:
    """Return the resource group's name as it is written in *identity*."""
    return _part_behind(identity, "resourcegroups")


def name_of(identity: ArmId) -> str:
    """Return the last part of *identity*."""
    return identity.rstrip("/").rsplit("/", 1)[-1]


# runs and sessions


def run_id_of_slot(appliance_id: str, policy: ObjectKey, vm_id: ArmId, slot: datetime) -> RunId:
    """Return the run id of *policy*'s session for the VM at *slot*."""
    return _run_id(appliance_id, policy, vm_id, slot_text(slot))


def run_id_of_trigger(
    appliance_id: str, policy: ObjectKey, vm_id: ArmId, token: str, seen: datetime
) -> RunId:
    """Return the run id of the session for the annotation's *token*, first *seen* then.

    People use a token again: without the time its second run would be the first one.
    """
    return _run_id(appliance_id, policy, vm_id, f"trigger:{moment_text(seen)}:{token}")


def run_id_of_uid(uid: str) -> RunId:
    """Return the run id of a session that a user wrote."""
    digits = folded(uid.replace("-", ""))
    if len(digits) == 32 and set(digits) <= set("0123456789abcdef"):  # noqa: PLR2004 - a UUID's
        return RunId(digits)
    return RunId(digest("uid", uid).hex()[:32])


def run_id_of_restore(appliance_id: str, restore: ObjectKey) -> RunId:
    """Return the run id of a restore: made again under its name, it finds what it has begun."""
    return RunId(digest("restore", appliance_id, restore.namespace, restore.name).hex()[:32])


def run_id_of_archive(
    appliance_id: str, session: ObjectKey, point: ObjectKey, repository: ObjectKey
) -> RunId:
    """Return the run id of the session that copies *point* into *repository*.

    Made again under its name for the same, it finds what it has archived.
    """
    named = (each for key in (session, point, repository) for each in (key.namespace, key.name))
    return RunId(digest("archive", appliance_id, *named).hex()[:32])


def _run_id(appliance_id: str, policy: ObjectKey, vm_id: ArmId, occasion: str) -> RunId:
    parts = (appliance_id, policy.namespace, policy.name, folded(vm_id), occasion)
    return RunId(digest(*parts).hex()[:32])


def claim_name(appliance_id: str, vm_id: str) -> str:
    """Return how the ConfigMap is called by which one session claims the VM."""
    return f"vmbackup-vm-{digest('claim', appliance_id, folded(vm_id)).hex()[:32]}"


def slot_text(slot: datetime) -> str:
    """Return *slot* as it is written in a spec and hashed, ``2026-11-22T02:00:00Z``."""
    return slot.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_text(moment: datetime) -> str:
    """Return *moment* to the microsecond as it is hashed, ``2026-11-22T02:00:00.000001Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def session_name_of_slot(policy: str, vm_id: ArmId, slot: datetime) -> str:
    """Return what the session of *policy* for the VM at *slot* is called."""
    return f"{_session_stem(policy, vm_id)}-{minute_text(slot)}"


def session_name_of_trigger(policy: str, vm_id: ArmId, token: str, seen: datetime) -> str:
    """Return what the session for the annotation's *token*, first *seen* then, is called."""
    letters = _letters(8, "trigger", token, moment_text(seen))
    return f"{_session_stem(policy, vm_id)}-t{letters}"


def session_name_of_archive(policy: str, vm_id: ArmId, run_id: RunId) -> str:
    """Return what the session of *policy* is called that copies the VM's point of that run."""
    return f"{_session_stem(policy, vm_id)}-a{run_id[:_RUN_DIGITS]}"


def session_name_of_verify(repository: str, vm_id: ArmId, pass_since: datetime) -> str:
    """Return what the session is called that reads back the VM for the pass of that moment."""
    letters = _letters(10, "verify", repository, folded(vm_id))
    return f"verify-{letters}-{minute_text(pass_since)}"


def minute_text(moment: datetime) -> str:
    """Return *moment* to the minute as it ends a name, ``202611220230``."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M")


def repository_label(repository: str) -> str:
    """Return the value of the label by which what upkeep makes for a repository is found."""
    return policy_label(repository)


def policy_label(policy: str) -> str:
    """Return the value of the label by which a policy's sessions and recovery points are found."""
    return policy[:_LABEL_CHARACTERS].rstrip("-.")


def _session_stem(policy: str, vm_id: ArmId) -> str:
    # The policy is hashed too: two that agree in their first characters are two.
    return f"{policy[:_POLICY_CHARACTERS].rstrip('-.')}-{_letters(6, policy, folded(vm_id))}"


def recovery_point_name(vm_name: str, created_at: datetime, run_id: RunId) -> str:
    """Return what the object that mirrors a recovery point is called."""
    moment = created_at.astimezone(UTC).strftime("%Y%m%d%H%M")
    letters = re.sub(r"[^a-z0-9]+", "-", folded(vm_name)).strip("-")[:_POLICY_CHARACTERS]
    return f"{letters.rstrip('-') or 'vm'}-{moment}-{run_id[:6]}"


def launch_command(run_id: RunId, attempt: int) -> str:
    """Return the name of the Run Command that starts the agent for this run's attempt."""
    return f"vmb-launch-{run_id[:_RUN_DIGITS]}-{attempt}"


def is_launch_command(name: str) -> bool:
    """Tell whether *name* may have been computed by `launch_command`, in whatever case."""
    return _LAUNCH_COMMAND.fullmatch(folded(name)) is not None


def job_id(run_id: RunId, asked: str, subjects: Sequence[str], attempt: int) -> JobId:
    """Return what the job *asked* of a worker for this run is called.

    Of other *subjects* (snapshots, for a backup) it is another job: a worker answers for no state
    that it has not read. So it is in another *attempt*: what it wrote for the one before may be
    what could not be committed.
    """
    return JobId(f"{run_id}-{asked}-{_letters(16, 'job', str(attempt), *subjects)}")


def control_container(container: str) -> str:
    """Return the name of the container beside a repository's, which holds what decides."""
    return f"{container}-control"


# what a session makes in Azure


def snapshot_name(run_id: RunId, lun: int | None) -> str:
    """Return what this run's snapshot of the data disk at *lun* is called; None: the OS disk."""
    return f"vmb-{run_id[:_RUN_DIGITS]}-{'os' if lun is None else lun}"


def is_snapshot_name(name: str) -> bool:
    """Tell whether *name* may have been computed by `snapshot_name`, in whatever case."""
    return _SNAPSHOT_NAME.fullmatch(folded(name)) is not None


def snapshot_id(subscription_id: str, resource_group: str, run_id: RunId, lun: int | None) -> ArmId:
    """Return the ARM id that this run's snapshot will have; known before it exists."""
    name = snapshot_name(run_id, lun)
    return arm_id(subscription_id, resource_group, "Microsoft.Compute/snapshots", name)


def worker_id(run_id: RunId, attempt: int) -> WorkerId:
    """Return the id of the worker that this run launches at its *attempt*."""
    return WorkerId(f"{run_id[:_RUN_DIGITS]}-{attempt}")


def worker_vm_name(worker: WorkerId) -> str:
    """Return what the worker's VM is called; its NIC and OS disk are called alike."""
    return f"vmb-w-{worker}"


def is_worker_vm_name(name: str) -> bool:
    """Tell whether *name* may have been computed by `worker_vm_name`."""
    return _WORKER_VM_NAME.fullmatch(folded(name)) is not None


def worker_of_vm_name(name: str) -> WorkerId | None:
    """Return the worker whose VM, interface or OS disk is called *name*, None where none is."""
    found = _WORKER_VM_NAME.fullmatch(folded(name))
    return None if found is None else WorkerId(found[1])


def jobs_queue(worker: WorkerId, launch: LaunchNonce) -> str:
    """Return the name of the queue that this launch of *worker* takes its jobs from."""
    return f"vmb-jobs-{worker}-{launch[:_LAUNCH_DIGITS]}"


def events_queue(worker: WorkerId, launch: LaunchNonce) -> str:
    """Return the name of the queue that this launch of *worker* answers into."""
    return f"vmb-events-{worker}-{launch[:_LAUNCH_DIGITS]}"


def is_queue_of_worker(name: str) -> bool:
    """Tell whether *name* may have been computed by `jobs_queue` or `events_queue`."""
    return _QUEUE.fullmatch(name) is not None


def queues_of(worker: WorkerId) -> tuple[str, str]:
    """Return how the names of all queues begin that *worker* ever had, of whatever launch."""
    return f"vmb-jobs-{worker}-", f"vmb-events-{worker}-"


def launch_messages(worker: WorkerId, launch: LaunchNonce) -> str:
    """Return how the names of all blobs begin that hold messages of this launch of *worker*."""
    return f"{messages_of(worker)}{launch[:_LAUNCH_DIGITS]}/"


def messages_of(worker: WorkerId) -> str:
    """Return how the names of all blobs begin that hold messages of *worker*, of any launch."""
    return f"{worker}/"


def launch_of_blob(name: str) -> str | None:
    """Return how the names of all blobs begin of the launch whose message *name* holds, or None."""
    found = _MESSAGE_BLOB.fullmatch(name)
    return None if found is None else found[1]


# what a region keeps


@dataclass(frozen=True, slots=True)
class EnvironmentNames:
    """What the appliance's resources of one region are called."""

    key: str
    resource_group: str
    virtual_network: str
    network_security_group: str
    #: In the order in which they are tried: they are unique in the world, and one may be taken.
    storage_accounts: tuple[str, ...]

    @property
    def storage_account(self) -> str:
        return self.storage_accounts[0]

    def disk_access(self, number: int) -> str:
        """Return the name of the region's disk access *number*, counted from 0."""
        return f"vmb-da-{self.key}-{number}"

    def is_disk_access(self, name: str) -> bool:
        """Tell whether *name* is what one of the region's disk accesses is called."""
        number = folded(name).removeprefix(f"vmb-da-{self.key}-")
        return (
            number.isascii() and number.isdigit() and self.disk_access(int(number)) == folded(name)
        )


@lru_cache(maxsize=1024)
def environment_names(appliance_id: str, subscription_id: str, region: str) -> EnvironmentNames:
    """Return the names for one region of one worker subscription.

    Steps ask for them at every look, and each is a dozen hashes.
    """
    parts = (appliance_id, folded(subscription_id), folded(region))
    key = _letters(10, "environment", *parts)
    # 24 characters of a-z0-9, and unique in the world: the hash fills what the prefix leaves.
    numbers = ("", *map(str, range(1, _ACCOUNT_NAMES)))
    return EnvironmentNames(
        key=key,
        resource_group=f"vmb-{folded(region)}-{key}",
        virtual_network=f"vmb-vnet-{key}",
        network_security_group=f"vmb-nsg-{key}",
        storage_accounts=tuple(
            f"vmb{_letters(21, 'account', *parts, *number.split())}" for number in numbers
        ),
    )
