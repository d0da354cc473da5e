"""What the rules of RestoreSessions forbid: kind, field, a value, and what is said then."""

from __future__ import annotations

from tests.cluster.crd_objects import NETWORK

OTHER = "22222222-2222-4333-8444-555555555555"
SESSION = "a session cannot be changed, only cancelled; make another one"

#: The value makes a right object wrong.
WRONG_RESTORES: list[tuple[str, str, object, str]] = [
    ("restoresessions", "spec.mode", "Disks", "are for mode VirtualMachine"),
    ("restoresessions", "spec.target.subscriptionId", OTHER, "subnetId must lie in subscriptionId"),
    ("restoresessions", "spec.target.resourceGroup", "a/../b", "should match"),
    ("restoresessions", "spec.target.zone", "one", "should match"),
    ("restoresessions", "spec.target.diskSku", "fast", "should match"),
    (
        "restoresessions",
        "spec.target.diskEncryptionSetId",
        f"{NETWORK}/subnets/machines",
        "must be the ARM id of a disk encryption set",
    ),
    (
        "restoresessions",
        "spec.target.tags",
        [{"name": "vmbackup-owner", "value": "x"}],
        "are not yours to set",
    ),
    ("restoresessions", "spec.source", "Anywhere", "Unsupported value"),
    ("restoresessions", "spec.disks", ["0"], "disks are for modes Disks and Rewind"),
    ("restoresessions", "spec.overrides.disks", [{"disk": "first"}], "should match"),
    ("restoresessions", "spec.rehydration.priority", "Soon", "supported values"),
    (
        "restoresessions",
        "spec.overrides.networkInterfaces",
        [{"index": 64}],
        "should be less than or equal to 63",
    ),
]

#: An existing object's field cannot become the value.
FIXED_RESTORES: list[tuple[str, str, object, str]] = [
    ("restoresessions", "spec.retryLimit", 1, SESSION),
    ("restoresessions", "spec.source", "Snapshots", SESSION),
    ("restoresessions", "spec.target.diskSku", "Premium_LRS", SESSION),
    ("restoresessions", "spec.overrides", {"disks": [{"disk": "os", "sizeGiB": 64}]}, SESSION),
    ("restoresessions", "spec.rehydration", {"priority": "High"}, SESSION),
    ("restoresessions", "spec.target.region", "uksouth", SESSION),
]
