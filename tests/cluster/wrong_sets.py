"""What the API server refuses of snapshot sets that stand alone; imported by the CRDs' tests."""

from __future__ import annotations

from tests.cluster.crd_objects import ABSENT, RIGHT, VM, Manifest, changed

_NAMES_NONE = "repositoryRef says where data goes or lies"
_IN_NONE = "one of type Snapshot is in no repository"

#: A field that a session of type Snapshot has no use for, a value of it, and what is said then.
USELESS_TO_SETS: list[tuple[str, object, str]] = [
    ("snapshotsToKeep", 2, "retention says how many sets a session of type Snapshot keeps"),
    ("newChain", True, "only a session of type Backup stores a VM anew"),
]

#: Each as in the tests' other tables: kind, field, the wrong value, and what is said then.
WRONG_SETS: list[tuple[str, str, object, str]] = [
    ("backupsessions", "spec.type", "Snapshot", _NAMES_NONE),
    ("backupsessions", "spec.repositoryRef", ABSENT, _NAMES_NONE),
    ("backuppolicies", "spec.type", "Snapshot", "repositoryRef says where recovery points go"),
    ("backuppolicies", "spec.repositoryRef", ABSENT, "repositoryRef says where recovery points go"),
    ("recoverypoints", "spec.type", "Snapshot", _IN_NONE),
    ("recoverypoints", "spec.repositoryRef", ABSENT, _IN_NONE),
]


#: An existing object's field cannot become the value.
FIXED_SETS: list[tuple[str, str, object, str]] = [
    ("backuppolicies", "spec.type", "Snapshot", "type cannot be changed"),
    ("backuppolicies", "spec.repositoryRef", ABSENT, "repositoryRef cannot be changed"),
]

_ARCHIVE = {"repositoryRef": {"name": "archives"}, "retention": {"last": 1}}
#: A field that a policy of type Snapshot has no use for, a value of it, and what is said then.
USELESS_TO_POLICIES: list[tuple[str, object, str]] = [
    ("snapshotsToKeep", 2, "retention says how many sets a policy of type Snapshot keeps"),
    ("archive", _ARCHIVE, "nothing of a policy of type Snapshot is in a repository"),
]


USELESS_OF_SETS = [*USELESS_TO_SETS, *USELESS_TO_POLICIES]


def policy_of_sets() -> Manifest:
    """Return a right policy of type Snapshot."""
    spec = {"type": "Snapshot", "virtualMachines": {"ids": [VM]}, "retention": {"last": 3}}
    return changed(RIGHT["backuppolicies"], "spec", spec)


def a_set() -> Manifest:
    """Return a right session of type Snapshot: it names a VM, and no repository."""
    return changed(RIGHT["backupsessions"], "spec", {"virtualMachineId": VM, "type": "Snapshot"})


def point_of_a_set() -> Manifest:
    """Return the right RecoveryPoint of such a set."""
    point = changed(RIGHT["recoverypoints"], "spec.repositoryRef", ABSENT)
    point = changed(point, "spec.packedDescription", "eJw=")
    return changed(point, "spec.type", "Snapshot")
