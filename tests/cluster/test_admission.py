"""Whose hands keep off a session's finalizer and labels: the admission policies, as Kubernetes runs
them, also while objects and namespaces are deleted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.crd_objects import RIGHT
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.kubernetes_user import KubectlRefused, KubernetesUser

pytestmark = pytest.mark.control_plane

FINALIZER = "vmbackup.dev/undo"
LABELS = {"vmbackup.dev/policy": "nightly", "vmbackup.dev/appliance": "contoso", "team": "web"}
STRIPPED = '{"metadata": {"finalizers": null}}'
RELABELLED = '{"metadata": {"labels": {"vmbackup.dev/policy": "other"}}}'
DEADLINE_S = 60


def eventually(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not look():
        assert time.monotonic() < deadline, f"never so: {what}"
        time.sleep(0.2)


def session(namespace: str, name: str, **metadata: Any) -> dict[str, Any]:
    about = {"name": name, "namespace": namespace, "finalizers": [FINALIZER], "labels": LABELS}
    return {**RIGHT["backupsessions"], "metadata": {**about, **metadata}}


def patch(user: KubernetesUser, namespace: str, name: str, change: str) -> str:
    return user.kubectl(
        "patch", "backupsession", name, f"--namespace={namespace}", "--type=merge", f"-p={change}"
    )


def refused(user: KubernetesUser, namespace: str, name: str, change: str) -> bool:
    try:
        patch(user, namespace, name, change)
    except KubectlRefused as error:
        return "vmbackup.dev" in str(error) and "denied request" in str(error)
    return False


def stored(plane: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = plane.administrator.get("backupsession", name, "-n", namespace)
    return found


def has_finalizer(plane: ControlPlane, namespace: str, name: str) -> bool:
    return FINALIZER in stored(plane, namespace, name)["metadata"].get("finalizers", [])


def is_there(plane: ControlPlane, *words: str) -> bool:
    return bool(plane.administrator.kubectl("get", *words, "--ignore-not-found").strip())


def bound(plane: ControlPlane, namespace: str, name: str, *rights: str) -> KubernetesUser:
    """Return a ServiceAccount that has a role of these *rights* in its namespace."""
    plane.administrator.kubectl("create", "serviceaccount", name, "-n", namespace)
    plane.administrator.kubectl("create", "role", name, "-n", namespace, *rights)
    account = f"--serviceaccount={namespace}:{name}"
    words = ("create", "rolebinding", name, "-n", namespace, f"--role={name}", account)
    plane.administrator.kubectl(*words)
    return plane.service_account(namespace, name)


@pytest.fixture(scope="session")
def guarded(installed: ControlPlane) -> ControlPlane:
    """The control plane with both policies in force: seconds pass between the two."""
    plane, place = installed, "admission"
    plane.administrator.kubectl("create", "namespace", place)
    somebody = bound(plane, place, "somebody", "--verb=*", "--resource=backupsessions.vmbackup.dev")
    plane.administrator.create(session(place, "probe"))
    labelled = session(place, "labelled", finalizers=[])
    plane.administrator.create(labelled)
    eventually(lambda: refused(somebody, place, "labelled", RELABELLED), "labels are guarded")
    # Each time the policy was not in force yet, the finalizer has to be put back.
    deadline = time.monotonic() + DEADLINE_S
    while not refused(somebody, place, "probe", STRIPPED):
        assert time.monotonic() < deadline, "the finalizer is never guarded"
        patch(plane.administrator, place, "probe", _with([FINALIZER]))
        time.sleep(0.2)
    return plane


def _with(finalizers: list[str]) -> str:
    return json.dumps({"metadata": {"finalizers": finalizers}})


@pytest.fixture
def tenant(guarded: ControlPlane, namespace: str) -> KubernetesUser:
    """Somebody who may do anything to our kinds in a namespace, by a RoleBinding."""
    rights = ("--verb=*", "--resource=backupsessions.vmbackup.dev,restoresessions.vmbackup.dev")
    return bound(guarded, namespace, "tenant", *rights)


@pytest.fixture(scope="session")
def everywhere(guarded: ControlPlane) -> KubernetesUser:
    """Somebody who may write sessions in the whole cluster, and break no glass."""
    admin, name, place = guarded.administrator, "everywhere", "admission"
    admin.kubectl("create", "serviceaccount", name, "-n", place)
    rights = ("--verb=get,patch", "--resource=backupsessions.vmbackup.dev")
    admin.kubectl("create", "clusterrole", name, *rights)
    account = f"--serviceaccount={place}:{name}"
    admin.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", account)
    return guarded.service_account(place, name)


@pytest.fixture
def held(guarded: ControlPlane, namespace: str) -> str:
    """The name of a session that has the finalizer."""
    guarded.administrator.create(session(namespace, "held"))
    return "held"


def test_the_policies_are_understood_by_the_api_server(guarded: ControlPlane) -> None:
    """An expression that cannot be compiled is refused when it is applied; this names ours."""
    policies = guarded.administrator.get("validatingadmissionpolicies")["items"]
    bindings = guarded.administrator.get("validatingadmissionpolicybindings")["items"]

    names = {"finalizer.vmbackup.dev", "labels.vmbackup.dev"}
    assert {each["metadata"]["name"] for each in policies} == names
    assert {each["spec"]["policyName"] for each in bindings} == names


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(STRIPPED, id="finalizers removed"),
        pytest.param(_with([]), id="finalizers emptied"),
        pytest.param(_with(["example.com/other"]), id="finalizer replaced"),
        pytest.param(RELABELLED, id="label changed"),
        pytest.param('{"metadata": {"labels": {"vmbackup.dev/policy": null}}}', id="label removed"),
        pytest.param('{"metadata": {"labels": {"vmbackup.dev/new": "x"}}}', id="label added"),
        pytest.param('{"metadata": {"labels": null}}', id="all labels removed"),
    ],
)
def test_a_tenant_is_refused(
    guarded: ControlPlane, namespace: str, tenant: KubernetesUser, held: str, change: str
) -> None:
    before = stored(guarded, namespace, held)

    assert refused(tenant, namespace, held, change)

    assert stored(guarded, namespace, held) == before


def test_a_tenant_is_refused_by_json_patch_replace_and_edit(
    guarded: ControlPlane, namespace: str, tenant: KubernetesUser, held: str
) -> None:
    where = f"--namespace={namespace}"
    strip = '[{"op": "remove", "path": "/metadata/finalizers"}]'
    whole = stored(guarded, namespace, held)
    whole["metadata"]["finalizers"] = []

    with pytest.raises(KubectlRefused, match="denied request"):
        tenant.kubectl("patch", "bses", held, where, "--type=json", f"-p={strip}")
    with pytest.raises(KubectlRefused, match="denied request"):
        tenant.kubectl("replace", "-f", "-", given=json.dumps(whole))
    with pytest.raises(KubectlRefused, match=r"vmbackup\.dev/undo"):
        tenant.kubectl("edit", "bses", held, where, editor="sed -i /undo/d")

    assert has_finalizer(guarded, namespace, held)


def test_what_is_not_ours_stays_the_tenants(
    guarded: ControlPlane, namespace: str, tenant: KubernetesUser, held: str
) -> None:
    patch(tenant, namespace, held, '{"metadata": {"labels": {"team": null, "tier": "gold"}}}')
    patch(tenant, namespace, held, _with([FINALIZER, "example.com/own"]))
    patch(tenant, namespace, held, _with([FINALIZER]))

    labels = stored(guarded, namespace, held)["metadata"]["labels"]
    assert labels == {name: LABELS[name] for name in LABELS if name != "team"} | {"tier": "gold"}


def test_a_restores_finalizer_is_guarded_alike(
    guarded: ControlPlane, namespace: str, tenant: KubernetesUser
) -> None:
    about = {"name": "restore", "namespace": namespace, "finalizers": [FINALIZER]}
    guarded.administrator.create({**RIGHT["restoresessions"], "metadata": about})
    strip = ("--type=merge", f"-p={STRIPPED}")

    with pytest.raises(KubectlRefused, match="denied request"):
        tenant.kubectl("patch", "rses", "restore", f"--namespace={namespace}", *strip)


def test_a_finalizer_that_was_not_there_is_not_put_on_by_a_tenant(
    guarded: ControlPlane, namespace: str, tenant: KubernetesUser
) -> None:
    guarded.administrator.create(session(namespace, "ended", finalizers=[]))

    assert refused(tenant, namespace, "ended", _with([FINALIZER]))


def test_labels_at_creation_are_free_so_that_objects_can_be_brought_back(
    guarded: ControlPlane, namespace: str, tenant: KubernetesUser
) -> None:
    tenant.create(session(namespace, "brought-back"))

    assert stored(guarded, namespace, "brought-back")["metadata"]["labels"] == LABELS


def test_a_tenant_may_delete_but_not_strip_while_it_is_deleted(
    guarded: ControlPlane, namespace: str, tenant: KubernetesUser, held: str
) -> None:
    tenant.kubectl("delete", "bses", held, f"--namespace={namespace}", "--wait=false")

    assert refused(tenant, namespace, held, STRIPPED)

    assert has_finalizer(guarded, namespace, held)


def test_the_operator_takes_it_off_and_the_session_goes(
    guarded: ControlPlane, operator: KubernetesUser, namespace: str, held: str
) -> None:
    where = f"--namespace={namespace}"
    guarded.administrator.kubectl("delete", "bses", held, where, "--wait=false")

    patch(operator, namespace, held, STRIPPED)

    assert not is_there(guarded, "bses", held, where)


def test_a_cluster_administrator_may(guarded: ControlPlane, namespace: str, held: str) -> None:
    patch(guarded.administrator, namespace, held, RELABELLED)
    patch(guarded.administrator, namespace, held, STRIPPED)

    assert not has_finalizer(guarded, namespace, held)


def test_the_verb_counts_in_the_whole_cluster_only(
    guarded: ControlPlane, namespace: str, held: str
) -> None:
    somebody = bound(guarded, namespace, "breaker", "--verb=*", "--resource=*.vmbackup.dev")
    account = f"--serviceaccount={namespace}:breaker"
    glass = "--clusterrole=vmbackup-unfinalize"

    guarded.administrator.kubectl("create", "rolebinding", "glass", "-n", namespace, glass, account)
    assert refused(somebody, namespace, held, STRIPPED)

    name = f"glass-{namespace}"
    guarded.administrator.kubectl("create", "clusterrolebinding", name, glass, account)
    try:
        patch(somebody, namespace, held, STRIPPED)
    finally:
        guarded.administrator.kubectl("delete", "clusterrolebinding", name)

    assert not has_finalizer(guarded, namespace, held)


def test_a_namespace_that_is_deleted_waits_for_the_operator(
    guarded: ControlPlane, operator: KubernetesUser, everywhere: KubernetesUser, namespace: str,
    held: str,
) -> None:  # fmt: skip
    guarded.administrator.kubectl("delete", "namespace", namespace, "--wait=false")
    eventually(
        lambda: "deletionTimestamp" in stored(guarded, namespace, held)["metadata"],
        "the namespace's controller deletes the session",
    )

    assert refused(everywhere, namespace, held, STRIPPED)
    assert has_finalizer(guarded, namespace, held)
    eventually(
        lambda: not is_there(guarded, "rolebindings", f"--namespace={namespace}"),
        "the namespace's bindings are gone, the operator's too",
    )

    ended = {**stored(guarded, namespace, held), "status": {"outcome": "Succeeded"}}
    operator.kubectl("replace", "--subresource=status", "-f", "-", given=json.dumps(ended))
    patch(operator, namespace, held, STRIPPED)
    eventually(lambda: not is_there(guarded, "namespace", namespace), "the namespace is gone")


@pytest.mark.parametrize("mode", ["background", "foreground", "orphan"])
def test_the_garbage_collector_does_its_work(
    guarded: ControlPlane, operator: KubernetesUser, namespace: str, mode: str
) -> None:
    where = f"--namespace={namespace}"
    guarded.administrator.kubectl("create", "configmap", "owner", where)
    uid = guarded.administrator.get("configmap", "owner", where)["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid,
             "blockOwnerDeletion": True}  # fmt: skip
    guarded.administrator.create(session(namespace, "owned", ownerReferences=[owner]))

    def metadata() -> dict[str, Any]:
        found: dict[str, Any] = stored(guarded, namespace, "owned")["metadata"]
        return found

    guarded.administrator.kubectl(
        "delete", "configmap", "owner", where, f"--cascade={mode}", "--wait=false"
    )
    if mode == "orphan":
        eventually(lambda: "ownerReferences" not in metadata(), "the session is let go")
        assert "deletionTimestamp" not in metadata()
        assert FINALIZER in metadata()["finalizers"]
        return
    eventually(lambda: "deletionTimestamp" in metadata(), "the session is deleted with its owner")
    assert FINALIZER in metadata()["finalizers"]
    assert is_there(guarded, "configmap", "owner", where) is (mode == "foreground")

    patch(operator, namespace, "owned", STRIPPED)

    eventually(lambda: not is_there(guarded, "bses", "owned", where), "the session is gone")
    eventually(lambda: not is_there(guarded, "configmap", "owner", where), "its owner is gone")
