"""What the examples and the role manifests say, a real API server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubectlRefused, KubernetesUser

pytestmark = pytest.mark.control_plane

ROOT = Path(__file__).resolve().parents[2]
RBAC = ROOT / "charts" / "vmbackup" / "rbac"
SYSTEM, TEAM = "vmbackup-system", "web-team"  # as in examples/ and in the manifests
EXAMPLES = [path for path in sorted((ROOT / "examples").glob("*.yaml")) if path.stem != "settings"]


def may(user: KubernetesUser, verb: str, resource: str, *words: str) -> bool:
    try:
        return user.kubectl("auth", "can-i", verb, resource, *words).strip() == "yes"
    except KubectlRefused:  # kubectl says no and ends with an error
        return False


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_accepted(installed: ControlPlane, path: Path) -> None:
    installed.administrator.kubectl("apply", "-f", str(path))

    (document,) = yaml.safe_load_all(path.read_text())
    kept = installed.administrator.get(
        document["kind"], document["metadata"]["name"], "-n", document["metadata"]["namespace"]
    )
    assert kept["metadata"]["uid"]


def test_the_operator_reads_named_secrets_of_served_namespaces_only(
    installed: ControlPlane, operator: KubernetesUser, namespace: str
) -> None:
    for place in (SYSTEM, TEAM, namespace):
        for name in ("vmbackup-key-ring", "other"):
            installed.administrator.kubectl(
                "create", "secret", "generic", name, "-n", place, "--from-literal=key=x"
            )

    assert operator.get("secret", "vmbackup-key-ring", "-n", SYSTEM)["data"]
    assert operator.get("secret", "other", "-n", TEAM)["data"]
    for place, name in ((SYSTEM, "other"), (namespace, "other")):
        with pytest.raises(KubectlRefused, match="forbidden"):
            operator.get("secret", name, "-n", place)


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


def test_the_operator_makes_environments_in_its_own_namespace_only(
    operator: KubernetesUser,
) -> None:
    assert may(operator, "create", "regionenvironments.vmbackup.dev", "-n", SYSTEM)
    assert not may(operator, "create", "regionenvironments.vmbackup.dev", "-n", TEAM)


def roles() -> Iterator[dict[str, object]]:
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
