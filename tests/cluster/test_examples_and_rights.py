"""What the examples and the role manifests say, a real API server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubectlRefused, KubernetesUser

pytestmark = pytest.mark.control_plane

ROOT = Path(__file__).resolve().parents[2]
RBAC = ROOT / "charts" / "vmbackup" / "rbac"
SYSTEM, TEAM = "vmbackup-system", "web-team"  # as in examples/ and in the manifests
#: What does something once it is written.
KINDS = ("BackupSession", "RestoreSession")
#: What is kept in git is applied as a whole: test_gitops.py.
EXAMPLES = [
    path for path in sorted((ROOT / "examples").rglob("*.yaml")) if "gitops" not in path.parts
]
FOLDER = sorted((ROOT / "examples").glob("*.yaml"))
SESSIONS = [path for path in EXAMPLES if yaml.safe_load(path.read_text())["kind"] in KINDS]
OURS = "backuppolicies,backuprepositories,backupsessions,regionenvironments,restoresessions"


def may(user: KubernetesUser, verb: str, resource: str, *words: str) -> bool:
    try:
        return user.kubectl("auth", "can-i", verb, resource, *words).strip() == "yes"
    except KubectlRefused:  # kubectl says no and ends with an error
        return False


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_accepted(installed: ControlPlane, path: Path) -> None:
    (document,) = yaml.safe_load_all(path.read_text())

    said = installed.administrator.kubectl("create", "-f", str(path), "--dry-run=server")

    assert document["kind"].lower() in said


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_no_example_holds_a_secret(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        assert document["apiVersion"] == "vmbackup.dev/v1alpha1"


def world(plane: ControlPlane) -> dict[str, Any]:
    """Return every Secret and every object of ours in both namespaces, as it stands."""
    found = [
        item
        for namespace in (SYSTEM, TEAM)
        for item in plane.administrator.get(f"secrets,{OURS}", "-n", namespace)["items"]
    ]
    return {
        f"{each['kind']} {each['metadata']['namespace']}/{each['metadata']['name']}": each
        for each in found
    }


@pytest.mark.parametrize("words", [("apply",), ("apply", "--server-side")], ids=" ".join)
def test_the_folder_is_applied_at_any_time_and_nothing_that_is_there_changes(
    installed: ControlPlane, words: tuple[str, ...]
) -> None:
    """Over a world that has keys, an environment, and a session that somebody asked for."""
    by_hand = ROOT / "examples" / "by-hand"
    make_key = ("create", "secret", "generic", "west-europe-key", f"--namespace={TEAM}")
    user = installed.administrator
    for namespace, name in ((TEAM, "west-europe-key"), (SYSTEM, "vmbackup-key-ring")):
        user.kubectl("delete", "secret", name, "-n", namespace, "--ignore-not-found")
        user.kubectl("create", "secret", "generic", name, "-n", namespace, "--from-literal=key=k")
    user.kubectl("delete", OURS, "--all", "-n", TEAM)
    user.kubectl("delete", OURS, "--all", "-n", SYSTEM)
    user.kubectl("create", "-f", str(by_hand))
    before = world(installed)

    first = user.kubectl(*words, "-f", str(ROOT / "examples"))
    between = world(installed)
    user.kubectl(*words, "-f", str(ROOT / "examples"))

    assert len(first.splitlines()) == len(FOLDER)
    assert {name: between[name] for name in before} == before
    added = {f"{each['kind']} {TEAM}/{each['metadata']['name']}" for each in documents(FOLDER)}
    assert set(between) - set(before) == added
    assert not {name for name in added if name.startswith((*KINDS, "RegionEnv"))}
    assert world(installed) == between
    with pytest.raises(KubectlRefused, match="already exists"):
        user.kubectl(*make_key, "--from-literal=key=other")


def documents(paths: list[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        yield from yaml.safe_load_all(path.read_text())


@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: path.stem)
def test_a_session_is_never_begun_by_applying(installed: ControlPlane, path: Path) -> None:
    with pytest.raises(KubectlRefused, match="generate name"):
        installed.administrator.kubectl("apply", "-f", str(path))


def test_the_operator_reads_named_secrets_of_served_namespaces_only(
    installed: ControlPlane, operator: KubernetesUser
) -> None:
    """Of its own namespace the key ring alone, unless that is served too."""
    for place in (SYSTEM, TEAM):
        for name in ("vmbackup-key-ring", "other"):
            installed.administrator.kubectl(
                "delete", "secret", name, "-n", place, "--ignore-not-found"
            )
            installed.administrator.kubectl(
                "create", "secret", "generic", name, "-n", place, "--from-literal=key=x"
            )

    assert operator.get("secret", "vmbackup-key-ring", "-n", SYSTEM)["data"]
    assert operator.get("secret", "other", "-n", TEAM)["data"]
    with pytest.raises(KubectlRefused, match="forbidden"):
        operator.get("secret", "other", "-n", SYSTEM)


@pytest.mark.parametrize(
    ("verb", "resource", "here", "elsewhere"),
    [
        ("get", "backuppolicies", True, True),
        ("watch", "backupsessions", True, True),
        ("patch", "backupsessions", True, True),
        ("update", "backupsessions/status", True, True),
        ("create", "backupsessions", True, False),
        ("delete", "backupsessions", True, False),
        ("create", "recoverypoints", True, False),
        ("get", "recoverypoints", True, False),
        ("update", "backuppolicies/status", True, False),
        ("update", "backuprepositories/status", True, False),
        ("update", "restoresessions/status", True, True),
        ("patch", "restoresessions", True, True),
        ("update", "recoverypoints/status", True, False),
        ("update", "regionenvironments/status", True, False),
        ("create", "regionenvironments", False, False),
        ("update", "backuppolicies", False, False),
        ("update", "backupsessions", False, False),
    ],
)
def test_the_operator_writes_in_served_namespaces_only(
    operator: KubernetesUser,
    verb: str,
    resource: str,
    *,
    here: bool,
    elsewhere: bool,
) -> None:
    kind, _, part = resource.partition("/")
    words = [f"--subresource={part}"] if part else []

    assert may(operator, verb, f"{kind}.vmbackup.dev", "-n", TEAM, *words) is here
    assert may(operator, verb, f"{kind}.vmbackup.dev", "-n", "default", *words) is elsewhere


def test_secrets_and_events_of_other_namespaces_are_out_of_reach(operator: KubernetesUser) -> None:
    assert not may(operator, "get", "secrets", "-n", "default")
    assert not may(operator, "create", "events.events.k8s.io", "-n", "default")
    assert may(operator, "create", "events.events.k8s.io", "-n", TEAM)


@pytest.mark.parametrize("place", [SYSTEM, TEAM])
def test_the_operator_is_refused_to_list_and_watch_secrets(
    operator: KubernetesUser, place: str
) -> None:
    with pytest.raises(KubectlRefused, match="cannot list resource"):
        operator.kubectl("get", "secrets", "-n", place)
    with pytest.raises(KubectlRefused, match="cannot watch resource"):
        operator.kubectl("get", "--raw", f"/api/v1/namespaces/{place}/secrets?watch=true")


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete"])
@pytest.mark.parametrize("resource", ["secrets", "backuppolicies.vmbackup.dev"])
def test_the_operator_never_writes_what_users_write(
    operator: KubernetesUser, verb: str, resource: str
) -> None:
    assert not may(operator, verb, resource, "-n", TEAM)


def test_nothing_of_restores_and_no_status_is_in_a_role_that_edit_takes_in() -> None:
    edit = [
        role
        for role in roles()
        if "rbac.authorization.k8s.io/aggregate-to-edit" in role["metadata"]["labels"]
    ]

    named = {name for role in edit for rule in role["rules"] for name in rule["resources"]}
    assert named == {"backuppolicies", "backupsessions"}


def test_the_operator_makes_environments_in_its_own_namespace_only(
    operator: KubernetesUser,
) -> None:
    assert may(operator, "create", "regionenvironments.vmbackup.dev", "-n", SYSTEM)
    assert not may(operator, "create", "regionenvironments.vmbackup.dev", "-n", TEAM)


def roles() -> Iterator[dict[str, Any]]:
    for path in sorted(RBAC.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] in ("Role", "ClusterRole"):
                yield document


def test_no_role_has_wildcards() -> None:
    assert "*" not in json.dumps(list(roles()))


def bound(plane: ControlPlane, namespace: str, role: str) -> KubernetesUser:
    """Return a ServiceAccount that has *role* in its namespace."""
    name = f"with-{role}"
    plane.administrator.kubectl("create", "serviceaccount", name, "-n", namespace)
    account = f"--serviceaccount={namespace}:{name}"
    words = ("create", "rolebinding", name, "-n", namespace, f"--clusterrole={role}", account)
    plane.administrator.kubectl(*words)
    return plane.service_account(namespace, name)


@pytest.mark.parametrize(
    ("role", "verb", "resource", "allowed"),
    [
        ("view", "list", "backupsessions", True),
        ("view", "create", "backupsessions", False),
        ("edit", "create", "backuppolicies", True),
        ("edit", "patch", "backupsessions", True),
        ("edit", "create", "restoresessions", False),
        ("edit", "create", "backuprepositories", False),
        ("edit", "update", "backupsessions/status", False),
        ("admin", "create", "backuprepositories", True),
        ("admin", "create", "restoresessions", False),
        ("admin", "update", "backuprepositories/status", False),
        ("vmbackup-restore", "create", "restoresessions", True),
        ("vmbackup-restore", "update", "restoresessions/status", False),
        ("vmbackup-administer", "create", "restoresessions", False),
        ("vmbackup-operate", "create", "backuprepositories", False),
        ("edit", "unfinalize", "backupsessions", False),
        ("admin", "unfinalize", "backupsessions", False),
        ("vmbackup-restore", "create", "backuppolicies", False),
    ],
)
def test_people_may_do_what_their_role_says(
    installed: ControlPlane, namespace: str, role: str, verb: str, resource: str, *, allowed: bool
) -> None:
    person = bound(installed, namespace, role)
    resource, _, part = resource.partition("/")
    words = [f"--subresource={part}"] if part else []

    assert may(person, verb, f"{resource}.vmbackup.dev", "-n", namespace, *words) is allowed
