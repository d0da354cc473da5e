"""Installing, upgrading, rolling back, uninstalling by real helm: what changes and what stays."""

from __future__ import annotations

import base64
import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.chart.charted import (
    FORMER_TEAM,
    HOME,
    OTHER_TEAM,
    TEAM,
    Document,
    one,
    rendered,
)
from tests.chart.release import RING, Release
from tools.chart.page import CHART
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.helm import Helm, HelmRefused
from tools.local_cloud.installation import EXAMPLES, OPERATOR_ACCOUNT, OPERATOR_NAMESPACE
from tools.local_cloud.kubernetes_user import KubectlRefused, KubernetesUser
from tools.local_cloud.toolchains import ROOT
from vmbackup_operator.sessions.keys import read_key_ring

pytestmark = pytest.mark.control_plane

POLICY = EXAMPLES / "policy.yaml"
SHORT = {"workers": {"idleTtlSeconds": 600}}
BOTH = {"tenancy": [{"namespace": TEAM}, {"namespace": OTHER_TEAM}]}


@pytest.fixture
def release(helm: Helm) -> Iterator[Release]:
    """The chart, freshly installed; afterwards nothing of it is left but the kinds."""
    made = Release(helm)
    made.install()
    yield made
    helm("uninstall", "vmbackup", f"--namespace={HOME}", "--ignore-not-found")
    helm.user.kubectl("delete", "secret", RING, f"--namespace={HOME}", "--ignore-not-found")


def may(user: KubernetesUser, verb: str, resource: str, namespace: str) -> bool:
    try:
        said = user.kubectl("auth", "can-i", verb, resource, f"--namespace={namespace}")
    except KubectlRefused:  # kubectl says no and ends with an error
        return False
    return said.strip() == "yes"


def add_key(release: Release) -> str:
    """Have somebody rotate: a second key in the key ring, which is the active one."""
    key = secrets.token_hex(32)
    entries = json.dumps({"stringData": {"2027-01": key, "active": "2027-01"}})
    where = f"--namespace={HOME}"
    release.helm.user.kubectl("patch", "secret", RING, where, "--type=merge", f"-p={entries}")
    return key


def test_the_operator_gets_its_rights_and_its_keys(plane: ControlPlane, release: Release) -> None:
    operator = plane.service_account(HOME, OPERATOR_ACCOUNT)

    assert may(operator, "create", "leases.coordination.k8s.io", HOME)
    assert may(operator, "get", f"secrets/{RING}", HOME)
    assert not may(operator, "get", "secrets/other", HOME)
    assert may(operator, "create", "backupsessions.vmbackup.dev", TEAM)
    assert not may(operator, "create", "backupsessions.vmbackup.dev", OTHER_TEAM)
    values = {name: base64.b64decode(entry) for name, entry in release.ring().items()}
    (entry,) = values.values()
    assert len(read_key_ring(values, RING).keys) == 1
    assert re.fullmatch(rb"[0-9a-f]{64}", entry)


def test_the_same_values_again_change_nothing(release: Release) -> None:
    before = release.objects()

    release.upgrade()

    assert release.objects() == before
    assert len(before) > 20


def test_other_values_come_and_go_with_the_revisions(release: Release) -> None:
    first = release.settings()

    release.upgrade({**SHORT, **BOTH, "replicas": 3})
    second = release.settings()
    bound = release.helm.user.get("rolebinding", "vmbackup-operator", "-n", OTHER_TEAM)
    replicas = release.get("deployment", "vmbackup-operator")["spec"]["replicas"]
    release.roll_back(1)

    assert yaml.safe_load(second)["workers"]["idleTtlSeconds"] == 600
    assert bound["subjects"][0]["namespace"] == HOME
    assert replicas == 3
    assert release.settings() == first
    assert release.get("deployment", "vmbackup-operator")["spec"]["replicas"] == 2
    with pytest.raises(KubectlRefused, match="not found"):
        release.helm.user.get("rolebinding", "vmbackup-operator", "-n", OTHER_TEAM)


def test_a_value_that_is_refused_leaves_the_release_as_it_is(release: Release) -> None:
    before = release.objects()

    with pytest.raises(HelmRefused, match="at '/replicas'"):
        release.upgrade({"replicas": "three"})

    assert release.objects() == before


def test_a_namespace_that_left_keeps_its_binding_for_as_long_as_somebody_says(
    plane: ControlPlane, release: Release
) -> None:
    operator = plane.service_account(HOME, OPERATOR_ACCOUNT)
    release.upgrade({"tenancy": [{"namespace": TEAM}, {"namespace": FORMER_TEAM}]})

    release.upgrade({"formerNamespaces": [FORMER_TEAM]})
    kept = may(operator, "delete", "backupsessions.vmbackup.dev", FORMER_TEAM)
    release.upgrade()

    assert kept
    assert not may(operator, "delete", "backupsessions.vmbackup.dev", FORMER_TEAM)


def test_the_key_ring_outlives_upgrade_rollback_and_uninstallation(release: Release) -> None:
    """With what was added to it between: nothing of ours writes it a second time."""
    first = release.ring()
    release.upgrade(SHORT)
    add_key(release)
    rotated = release.get("secret", RING)

    release.upgrade({"replicas": 3})
    release.roll_back(1)
    release.uninstall()
    left = release.get("secret", RING)
    release.install()

    assert left == rotated
    assert release.get("secret", RING) == rotated
    assert first.items() < rotated["data"].items()


def test_a_key_ring_that_somebody_made_is_taken_as_it_is(release: Release) -> None:
    release.uninstall()
    where = f"--namespace={HOME}"
    release.helm.user.kubectl("delete", "secret", RING, where)
    own = f"--from-literal=2026-11={secrets.token_hex(32)}"
    release.helm.user.kubectl("create", "secret", "generic", RING, where, own)
    made = release.get("secret", RING)

    release.install()

    assert release.get("secret", RING) == made


def test_a_key_ring_that_was_lost_is_not_made_anew_behind_anybodys_back(release: Release) -> None:
    """The operator says that there is none: another one would know nothing of what is ours."""
    release.helm.user.kubectl("delete", "secret", RING, f"--namespace={HOME}")

    release.upgrade(SHORT)

    assert not release.is_there("secret", RING)


def test_kinds_and_what_users_wrote_outlive_the_release(release: Release) -> None:
    release.helm.user.apply(POLICY)
    wrote = release.helm.user.get("backuppolicy", "nightly", f"--namespace={TEAM}")

    release.uninstall()

    assert release.helm.user.get("backuppolicy", "nightly", f"--namespace={TEAM}") == wrote
    assert not release.is_there("deployment", "vmbackup-operator")
    assert not release.is_there("validatingadmissionpolicy", "finalizer.vmbackup.dev")
    release.install()
    assert release.helm.user.get("backuppolicy", "nightly", f"--namespace={TEAM}") == wrote


def test_kinds_that_are_no_longer_installed_stay(release: Release) -> None:
    release.upgrade({"crds": {"install": False}})

    assert len(release.helm.user.get("crd")["items"]) >= 6
    assert release.is_there("crd", "backuppolicies.vmbackup.dev")


def test_an_upgrade_brings_an_older_versions_kinds_up_to_date(
    release: Release, tmp_path: Path
) -> None:
    release.uninstall()
    older = Release(release.helm, chart=tmp_path / "older")
    shutil.copytree(CHART, older.chart)
    kind = older.chart / "definitions" / "recoverypoints.yaml"
    kind.write_text(kind.read_text().replace("      - rp\n", "      - older\n"))
    about = older.chart / "Chart.yaml"
    about.write_text(re.sub(r"(?m)^(\w+ersion): 0.1.0$", r"\1: 0.0.9", about.read_text()))
    older.install()
    before = release.get("crd", "recoverypoints.vmbackup.dev")

    release.upgrade()

    after = release.get("crd", "recoverypoints.vmbackup.dev")
    assert [each["spec"]["names"]["shortNames"] for each in (before, after)] == [["older"], ["rp"]]
    assert before["metadata"]["uid"] == after["metadata"]["uid"]


@pytest.fixture
def by_hand(helm: Helm) -> Iterator[Release]:
    """A release that is to be in the plain manifests' namespace, of a cluster without our kinds."""
    folders = (CHART / "admission", CHART / "rbac", ROOT / "crds")
    plain = (
        "delete",
        "--ignore-not-found",
        *(word for each in folders for word in ("-f", str(each))),
    )
    helm.user.kubectl(*plain)
    yield Release(helm, OPERATOR_NAMESPACE)
    helm("uninstall", "vmbackup", f"--namespace={OPERATOR_NAMESPACE}", "--ignore-not-found")
    helm.user.kubectl("delete", "namespace", OPERATOR_NAMESPACE, "--ignore-not-found")
    helm.user.kubectl(*plain)


def test_what_was_applied_by_hand_is_taken_over(by_hand: Release) -> None:
    """As README has it."""
    user = by_hand.helm.user
    user.kubectl("create", "namespace", OPERATOR_NAMESPACE)
    user.apply(ROOT / "crds", CHART / "rbac", CHART / "admission")
    own = f"--from-literal=2026-11={secrets.token_hex(32)}"
    user.kubectl("create", "secret", "generic", RING, "-n", OPERATOR_NAMESPACE, own)
    ring = by_hand.get("secret", RING)

    with pytest.raises(HelmRefused, match="invalid ownership metadata"):
        by_hand.install()
    by_hand.install(None, "--take-ownership", "--force-conflicts")

    assert by_hand.get("secret", RING) == ring
    assert by_hand.is_there("deployment", "vmbackup-operator")


def test_readmes_command_installs(by_hand: Release, tmp_path: Path) -> None:
    """As it stands there, beside a checkout's charts and with the example's settings."""
    readme = (ROOT / "README.md").read_text()
    section = readme.partition("## With Helm")[2].partition("## Install")[0]
    (command,) = re.findall(r"^```\n(helm install .*?)```$", section, re.MULTILINE | re.DOTALL)
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    (tmp_path / "settings.yaml").write_text((CHART / "settings.yaml").read_text())
    environment = {
        "KUBECONFIG": str(by_hand.helm.user.kubeconfig),
        "HOME": str(tmp_path),
        "PATH": f"{by_hand.helm.program.parent}:/usr/bin:/bin",
    }

    done = subprocess.run(  # noqa: S603 - what README says, typed
        ["/bin/sh", "-c", command],
        cwd=tmp_path,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "appliance contoso-backup in westeurope" in done.stdout
    account = by_hand.get("serviceaccount", OPERATOR_ACCOUNT)["metadata"]["annotations"]
    assert account["azure.workload.identity/client-id"] in command


def pod_of(owner: Document) -> Document:
    """Return a pod as the controller of *owner* makes it."""
    template = owner["spec"]["template"]
    metadata = {**template["metadata"], "name": "made", "namespace": HOME}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_are_admitted_where_security_is_restricted(release: Release, kind: str) -> None:
    pod = pod_of(one(rendered(release.helm), kind))
    asked = ("create", "--dry-run=server", "-f", "-")

    assert "pod/made created" in release.helm.user.kubectl(*asked, given=json.dumps(pod))


def test_the_nodes_network_is_refused_where_security_is_restricted(release: Release) -> None:
    pod = pod_of(one(rendered(release.helm, {"hostNetwork": True}), "Deployment"))
    asked = ("create", "--dry-run=server", "-f", "-")

    with pytest.raises(KubectlRefused, match=r"violates PodSecurity.*host namespaces"):
        release.helm.user.kubectl(*asked, given=json.dumps(pod))
