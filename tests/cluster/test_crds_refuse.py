"""What each rule of the CRDs forbids, a real API server refuses, and says why."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster.crd_objects import (
    ABSENT,
    GROUP,
    NETWORK,
    OWN_NETWORK,
    RIGHT,
    ROOT,
    SUBSCRIPTION,
    TRIED_ELSEWHERE,
    VM,
    Manifest,
    Writer,
    changed,
)
from tests.cluster.restore_rules import FIXED_RESTORES, OTHER, SESSION, WRONG_RESTORES
from tests.cluster.wrong_archives import USELESS_TO_ARCHIVES, WRONG_ARCHIVES, an_archive
from tests.cluster.wrong_exclusions import USELESS_TO_OTHERS, WRONG_EXCLUSIONS
from tests.cluster.wrong_retentions import WRONG_RETENTIONS, ZONE
from tests.cluster.wrong_selectors import WRONG_SELECTORS
from tests.cluster.wrong_sets import FIXED_SETS, USELESS_OF_SETS, WRONG_SETS
from tests.cluster.wrong_windows import WRONG_WINDOWS
from vmbackup_core.errors import PermanentError

pytestmark = pytest.mark.control_plane

CRON = "must be five cron fields"
A_VM = "must be the ARM id of a virtual machine"
ADDRESSES = "must be an IPv4 range of /8 to /27"
TOGETHER = "virtualNetworkId, workerSubnetId and endpointSubnetId are given together"

#: Kind, field, the value that makes a right object wrong, and what is said then.
WRONG: list[tuple[str, str, object, str]] = [
    # what is owed
    *[(kind, "spec", ABSENT, "spec: Required value") for kind in RIGHT],
    ("backuppolicies", "spec.retention", ABSENT, "spec.retention: Required value"),
    ("backuppolicies", "spec.unknown", 1, 'unknown field "spec.unknown"'),
    # which VMs a policy names
    ("backuppolicies", "metadata.name", "a" * 64, "a policy's name has 63 characters at most"),
    ("backuppolicies", "spec.virtualMachines.ids", [], "should have at least 1 items"),
    ("backuppolicies", "spec.virtualMachines.ids", [VM] * 2, "Duplicate value"),
    (
        "backuppolicies",
        "spec.virtualMachines.ids",
        [VM, VM.replace("web-01", "WEB-01")],
        "each virtual machine can be named only once",
    ),
    ("backuppolicies", "spec.virtualMachines.ids", [f"{VM}-{n}" for n in range(101)], "Too many"),
    ("backuppolicies", "spec.virtualMachines.ids", ["web-01"], A_VM),
    ("backuppolicies", "spec.virtualMachines.ids", [f"{VM}/extensions/x"], A_VM),
    ("backuppolicies", "spec.virtualMachines.ids", [f"{GROUP}/../rg-other{VM}"], A_VM),
    *[*WRONG_SELECTORS, *WRONG_ARCHIVES, *WRONG_EXCLUSIONS, *WRONG_SETS],
    # when it does
    *[
        ("backuppolicies", "spec.schedule.cron", cron, CRON)
        for cron in (
            "30 1 * *",
            "30 1 * * * *",
            "60 1 * * *",
            "30 24 * * *",
            "30 1 32 * *",
            "30 1 0 * *",
            "30 1 * 13 *",
            "30 1 * * 8",
            "*/0 1 * * *",
            "30 1 * FOO *",
            "every day please",
        )
    ],
    ("backuppolicies", "spec.schedule.timeZone", "Europe/Atlantis", ZONE),
    ("backuppolicies", "spec.schedule.timeZone", "Local", ZONE),
    ("backuppolicies", "spec.schedule.timeZone", "+05:30", "spec.schedule.timeZone"),
    ("backuppolicies", "spec.schedule.timeZone", "", "spec.schedule.timeZone"),
    ("backuppolicies", "spec.schedule.timeZone", "../../etc/passwd", "spec.schedule.timeZone"),
    ("backuppolicies", "spec.schedule.jitterSeconds", 3601, "less than or equal to 3600"),
    *WRONG_WINDOWS,
    ("backuppolicies", "spec.concurrencyPolicy", "Allow", 'supported values: "Forbid"'),
    ("backuppolicies", "spec.maxConcurrentSessions", 0, "greater than or equal to 1"),
    # how much it keeps
    *WRONG_RETENTIONS,
    ("backuppolicies", "spec.snapshotsToKeep", 0, "greater than or equal to 1"),
    ("backuppolicies", "spec.retry.limit", 11, "less than or equal to 10"),
    # sessions
    ("backupsessions", "spec.virtualMachineId", f"{GROUP}/providers/x", A_VM),
    ("backupsessions", "spec.type", "Restore", 'supported values: "Backup", "Archive", "Verify"'),
    ("backupsessions", "spec.verify", {"rereadPerMille": 10}, "belongs to sessions of type Verify"),
    ("backupsessions", "spec.slot", "2026-11-22T01:30:00Z", "policyRef must name it"),
    ("backupsessions", "spec.trigger", "now", "policyRef must name it"),
    ("backupsessions", "spec.triggerTime", "2026-11-22T01:30:00Z", "triggerTime belongs to"),
    # repositories
    ("backuprepositories", "spec.storageAccountId", VM, "must be the ARM id of a storage account"),
    ("backuprepositories", "spec.subscriptionId", OTHER, "storageAccountId must lie in"),
    ("backuprepositories", "spec.container", "vm--backups", "should match"),
    ("backuprepositories", "spec.container", "x", "should be at least 3 chars long"),
    ("backuprepositories", "spec.container", "x" * 56, "may not be more than 55"),
    ("backuprepositories", "spec.container", "their-control", "must not end in -control"),
    ("backuprepositories", "spec.region", "West Europe", "should match"),
    ("backuprepositories", "spec.tier", "Icy", 'supported values: "Hot", "Cool", "Cold"'),
    ("backuprepositories", "spec.compression", "zstd", 'values: "fast", "default", "small"'),
    ("backuprepositories", "spec.encryptionKey.secretRef.name", "", "at least 1 chars long"),
    # when a repository is kept up
    *[
        ("backuprepositories", "spec.upkeep.schedule", cron, CRON)
        for cron in ("30 2 * *", "60 2 * * *", "*/0 2 * * *", "every day please")
    ],
    ("backuprepositories", "spec.upkeep.timeZone", "Europe/Atlantis", ZONE),
    ("backuprepositories", "spec.upkeep.timeZone", "Local", ZONE),
    *[
        ("backuprepositories", f"spec.upkeep.{field}", value, f"than or equal to {limit}")
        for field, value, limit in (
            ("retentionChangeDelayDays", -1, 0),
            ("retentionChangeDelayDays", 366, 365),
            ("checkEveryDays", 0, 1),
            ("checkEveryDays", 366, 365),
            ("verifyNewWithinDays", 0, 1),
            ("verifyNewWithinDays", 31, 30),
            ("verifyAllWithinDays", 6, 7),
            ("verifyAllWithinDays", 3651, 3650),
        )
    ],
    ("backuprepositories", "spec.upkeep.unknown", 1, 'unknown field "spec.upkeep.unknown"'),
    # environments
    ("regionenvironments", "spec.subscriptionId", "mine", "should match"),
    *[
        ("regionenvironments", "spec.network.addressPrefix", prefix, ADDRESSES)
        for prefix in ("10.0.0.1/22", "10.0.0.0/28", "10.0.0.300/22", "fd00::/22")
    ],
    (
        "regionenvironments",
        "spec.network",
        {**OWN_NETWORK, "addressPrefix": "10.0.0.0/22"},
        "addressPrefix is for a network that is made",
    ),
    ("regionenvironments", "spec.network", {"virtualNetworkId": NETWORK}, TOGETHER),
    (
        "regionenvironments",
        "spec.network",
        {**OWN_NETWORK, "workerSubnetId": f"{NETWORK}2/subnets/workers"},
        "must be subnets of virtualNetworkId",
    ),
    ("regionenvironments", "spec.network.virtualNetworkId", "vnet", "ARM id of a virtual network"),
    (
        "regionenvironments",
        "spec.network.workerSubnetId",
        "workers",
        "must be the ARM id of a subnet",
    ),
    ("regionenvironments", "spec.dnsMode", "External", 'supported values: "Managed"'),
    ("regionenvironments", "spec.deletionPolicy", "Delete", 'supported values: "Retain"'),
    (
        "regionenvironments",
        "spec.crossSubscriptionExport",
        "Public",
        'supported values: "Refuse", "DiskAccess"',
    ),
    ("regionenvironments", "spec.networkSecurityGroupId", VM, "a network security group"),
    *[
        ("regionenvironments", "spec.tags", [{"name": name, "value": "x"}], "are not yours to set")
        for name in ("vmbackup-owner", "VMBackup-Owner", "azure-x", "Microsoft", "windowsUpdate")
    ],
    ("regionenvironments", "spec.tags", [{"name": "a/b", "value": "x"}], "should match"),
    ("regionenvironments", "spec.tags", [{"name": "a\\b", "value": "x"}], "should match"),
    ("regionenvironments", "spec.tags", 2 * [{"name": "a", "value": "x"}], "Duplicate value"),
    (
        "regionenvironments",
        "spec.tags",
        [{"name": str(number), "value": "x"} for number in range(5)],
        "must have at most 4 items",
    ),
    # recovery points
    ("recoverypoints", "spec.runId", "latest", "should match"),
    ("recoverypoints", "spec.disks", [], "should have at least 1 items"),
    *WRONG_RESTORES,
]

REPOSITORY = "where a repository lies cannot be changed"
ENVIRONMENT = "subscriptionId and region cannot be changed"
POINT = "a recovery point cannot be changed"

#: Kind, field, what an existing object's field cannot become, and what is said then.
FIXED: list[tuple[str, str, object, str]] = [
    *[
        ("backuppolicies", "spec.repositoryRef", reference, "repositoryRef cannot be changed")
        for reference in ({"name": "other"}, {"namespace": "other"})
    ],
    *[
        ("backupsessions", f"spec.{field}", value, SESSION)
        for field, value in (
            ("type", "Archive"),
            ("virtualMachineId", f"{VM}2"),
            ("repositoryRef", {"name": "other"}),
            ("retention", {"last": 3}),
            ("retention", {"withinDays": 3}),
            ("retention", {"timeZone": "Europe/Berlin"}),
            ("snapshotsToKeep", 3),
            ("newChain", True),
            ("retryLimit", 1),
            ("retryBackoffSeconds", 1),
            ("policyRef", {"name": "nightly"}),
            ("startBefore", "2026-11-22T01:30:00Z"),
            ("excludeDataDiskLuns", [1]),
            *((field, value) for field, value, _ in USELESS_TO_OTHERS),
            ("verify", {"rereadPerMille": 10}),
            ("archive", {"recoveryPointRef": {"name": "another"}}),
        )
    ],
    *[
        ("backuprepositories", f"spec.{field}", value, REPOSITORY)
        for field, value in (
            (
                "storageAccountId",
                f"{GROUP}/providers/Microsoft.Storage/storageAccounts/other",
            ),
            ("container", "other"),
            ("region", "uksouth"),
        )
    ],
    ("regionenvironments", "spec.region", "uksouth", ENVIRONMENT),
    ("regionenvironments", "spec.subscriptionId", OTHER, ENVIRONMENT),
    ("recoverypoints", "spec.runId", "f" * 32, POINT),
    ("recoverypoints", "spec.storedBytes", 1, POINT),
    *[*FIXED_RESTORES, *FIXED_SETS],
    *[(kind, "spec", ABSENT, "spec: Required value") for kind in RIGHT],
]


def messages_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (rule["message"] for rule in value.get("x-kubernetes-validations", ()))
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from messages_in(inner)


def test_every_rule_is_tried() -> None:
    tried = [row[3] for row in (*WRONG, *FIXED)]
    useless = (*OF_BACKUPS, *USELESS_TO_ARCHIVES, *USELESS_OF_SETS)
    tried += [*(row[2] for row in useless), *TRIED_ELSEWHERE]
    messages = {
        message
        for path in (ROOT / "crds").glob("*.yaml")
        for message in messages_in(yaml.safe_load(path.read_text()))
    }

    assert not [one for one in messages if not any(said in one for said in tried)]


def numbered(rows: list[tuple[str, str, object, str]]) -> list[str]:
    return [f"{number}-{kind}-{field}" for number, (kind, field, *_) in enumerate(rows)]


@pytest.mark.parametrize(("kind", "field", "value", "said"), WRONG, ids=numbered(WRONG))
async def test_a_wrong_object_is_refused_and_told_why(
    judge: Writer, kind: str, field: str, value: object, said: str
) -> None:
    await judge.create(kind, RIGHT[kind], dry=True)  # so it is this field that is refused
    with pytest.raises(PermanentError, match=re.escape(said)):
        await judge.create(kind, changed(RIGHT[kind], field, value), dry=True)


@pytest.mark.parametrize(("kind", "field", "value", "said"), FIXED, ids=numbered(FIXED))
async def test_what_is_fixed_cannot_be_changed(
    writer: Writer, kind: str, field: str, value: object, said: str
) -> None:
    await writer.create(kind, RIGHT[kind])
    with pytest.raises(PermanentError, match=re.escape(said)):
        await writer.merge(kind, field, value)


#: A field that a session of type Verify has no use for, a value of it, and what is said then.
OF_BACKUPS: list[tuple[str, object, str]] = [
    ("policyRef", {"name": "nightly"}, "no policy asks for a session of type Verify"),
    ("excludeDataDiskLuns", [1], "reads what is stored of all disks"),
    *USELESS_TO_OTHERS,
    ("retention", {"last": 3}, "makes no recovery point"),
    *[
        ("retention", {line: 3}, "makes no recovery point")
        for line in ("hourly", "daily", "weekly", "monthly", "yearly", "withinDays")
    ],
    ("retention", {"minSuccessful": 3}, "makes no recovery point"),
    ("retention", {"timeZone": "Europe/Berlin"}, "makes no recovery point"),
    ("snapshotsToKeep", 2, "takes no snapshots"),
    ("newChain", True, "only a session of type Backup stores a VM anew"),
]


def a_verification() -> Manifest:
    """Return a right session of type Verify: it names a VM and a repository."""
    right = RIGHT["backupsessions"]
    named = {"virtualMachineId": VM, "repositoryRef": {"name": "west-europe"}}
    return changed(right, "spec", {**named, "type": "Verify"})


@pytest.mark.parametrize(
    ("right", "field", "value", "said"),
    [(a_verification(), *each) for each in OF_BACKUPS]
    + [(an_archive(), *each) for each in USELESS_TO_ARCHIVES],
)
async def test_what_makes_no_sense_for_a_type_of_session_is_refused(
    judge: Writer, right: Manifest, field: str, value: object, said: str
) -> None:
    wrong = changed(right, f"spec.{field}", value)
    with pytest.raises(PermanentError, match=said):
        await judge.create("backupsessions", wrong, dry=True)


async def test_a_verification_is_accepted_and_cannot_be_changed(writer: Writer) -> None:
    asked = changed(a_verification(), "spec.verify", {})
    await writer.create("backupsessions", asked)

    with pytest.raises(PermanentError, match=SESSION):
        await writer.merge("backupsessions", "spec.verify.rereadPerMille", 10)


async def test_a_slot_that_was_set_cannot_be_taken_away(writer: Writer) -> None:
    of_slot = changed(RIGHT["backupsessions"], "spec.policyRef", {"name": "nightly"})
    of_slot = changed(of_slot, "spec.slot", "2026-11-22T01:30:00Z")
    await writer.create("backupsessions", of_slot)
    for field in ("slot", "policyRef"):
        with pytest.raises(PermanentError, match=SESSION):
            await writer.merge("backupsessions", f"spec.{field}", ABSENT)
    with pytest.raises(PermanentError, match="by a slot or by a trigger, not by both"):
        await writer.create("backupsessions", changed(of_slot, "spec.trigger", "x"), dry=True)


async def test_when_a_trigger_was_seen_cannot_be_changed(writer: Writer) -> None:
    asked = changed(RIGHT["backupsessions"], "spec.policyRef", {"name": "nightly"})
    asked = changed(asked, "spec.trigger", "go")
    asked = changed(asked, "spec.triggerTime", "2026-11-22T01:30:00.000001Z")
    await writer.create("backupsessions", asked)
    for value in (ABSENT, "2026-11-22T01:30:00.000002Z"):
        with pytest.raises(PermanentError, match=SESSION):
            await writer.merge("backupsessions", "spec.triggerTime", value)


@pytest.mark.parametrize("kind", ["backupsessions", "restoresessions"])
async def test_cancelling_is_one_way(writer: Writer, kind: str) -> None:
    await writer.create(kind, RIGHT[kind])
    await writer.merge(kind, "spec.cancel", value=True)
    for value in (False, ABSENT):
        with pytest.raises(PermanentError, match="cancel cannot be taken back"):
            await writer.merge(kind, "spec.cancel", value)


@pytest.mark.parametrize("kind", ["backupsessions", "restoresessions"])
async def test_an_outcome_is_final(writer: Writer, kind: str) -> None:
    await writer.create(kind, RIGHT[kind])
    await writer.merge(kind, "status.outcome", "Failed", part="/status")
    for value in ("Succeeded", ABSENT):
        with pytest.raises(PermanentError, match="an outcome is final"):
            await writer.merge(kind, "status.outcome", value, part="/status")


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("*/15 * * * *", "Etc/UTC"),
        ("0 22 * * MON-FRI", "America/Argentina/Buenos_Aires"),
        ("0,30 1-5/2 1,15 jan-jun 0-7", "Etc/GMT+5"),
        ("5  4 * * sun", "UTC"),
    ],
)
async def test_ordinary_schedules_are_accepted(judge: Writer, cron: str, zone: str) -> None:
    schedule = {"cron": cron, "timeZone": zone}
    policy = changed(RIGHT["backuppolicies"], "spec.schedule", schedule)

    await judge.create("backuppolicies", policy, dry=True)


@pytest.mark.parametrize(
    "vm_id",
    [
        VM.upper().replace(SUBSCRIPTION.upper(), SUBSCRIPTION),
        VM.replace("rg-production", "Grüppe_(1).x"),
        VM.replace("resourceGroups", "resourcegroups"),
    ],
)
async def test_arm_ids_are_accepted_as_azure_writes_them(judge: Writer, vm_id: str) -> None:
    policy = changed(RIGHT["backuppolicies"], "spec.virtualMachines.ids", [vm_id])

    await judge.create("backuppolicies", policy, dry=True)


async def test_a_network_of_ones_own_is_accepted(judge: Writer) -> None:
    own = changed(RIGHT["regionenvironments"], "spec.network", OWN_NETWORK)

    await judge.create("regionenvironments", own, dry=True)
