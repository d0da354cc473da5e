"""What real helm makes of the chart: each object as the API server takes it, from one source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.charted import (
    FORMER_TEAM,
    HOME,
    OTHER_TEAM,
    RELEASE,
    TEAM,
    Document,
    judged,
    named,
    one,
    over,
    rendered,
    values,
)
from tools.chart.page import CHART
from tools.chart.page import values as described
from tools.chart.schema import CHART as OWN
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.helm import Helm, HelmRefused
from vmbackup_operator.settings import load

pytestmark = pytest.mark.control_plane

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "vmbackup-system"  # as in the plain manifests
CLIENT_ID = "7a6b5c4d-3e2f-4101-9234-56789abcdef0"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
    "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}],
}}}  # fmt: skip
SMALL = {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "2Gi"}}
PROXY = [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]
CERTIFICATES = {"name": "ca", "configMap": {"name": "company-ca"}}
PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
TO_PROXY = {"ports": [{"port": 3128}], "to": [{"ipBlock": {"cidr": "10.0.0.4/32"}}]}
TOLERATION = {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}

MATRIX: dict[str, Document] = {
    "as they come": {},
    "workload identity": {"azureIdentity": {"clientId": CLIENT_ID}},
    "a secret": {
        "azureIdentity": {"secretName": "azure"},
        "imagePullSecrets": [{"name": "registry"}],
        "image": {"digest": DIGEST, "pullPolicy": "Always"},
        "extraEnv": PROXY,
    },
    "the node's network": {
        "hostNetwork": True,
        "healthPort": 18080,
        "nodeSelector": {"pool": "system"},
        "tolerations": [TOLERATION],
        "affinity": AFFINITY,
    },
    "a private CA": {
        "extraVolumes": [CERTIFICATES],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/company"}],
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/company/ca.crt"}],
        "podLabels": {"team": "backup"},
        "podAnnotations": {"example.com/scan": "no"},
    },
    "as little as can be": {
        "replicas": 1,
        "tenancy": [],
        "crds": {"install": False},
        "keyRing": {"create": False},
        "admissionPolicies": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "priorityClass": {"create": False, "name": ""},
        "resources": None,
    },
    "many teams": {
        "tenancy": [{"namespace": TEAM}, {"namespace": OTHER_TEAM}, {"namespace": HOME}],
        "formerNamespaces": [FORMER_TEAM, TEAM],
    },
    "a closed network": {
        "networkPolicy": {
            "from": [PEER],
            "extraEgress": [TO_PROXY],
        }
    },
    "monitored": {
        "serviceMonitor": {"enabled": True, "interval": "30s", "labels": {"release": "kps"}},
        "prometheusRule": {"enabled": True},
    },
}  # fmt: skip


@pytest.mark.parametrize("changes", MATRIX.values(), ids=MATRIX)
def test_the_api_server_takes_every_object(
    monitored: ControlPlane, helm: Helm, changes: Document
) -> None:
    objects = rendered(helm, changes)

    said = judged(monitored, objects)

    assert len(said.splitlines()) == len(objects)
    for each in objects:
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE


@pytest.mark.parametrize("changes", MATRIX.values(), ids=MATRIX)
def test_lint_finds_nothing(helm: Helm, changes: Document) -> None:
    said = helm("lint", "--strict", str(CHART), values=values(changes))

    assert "1 chart(s) linted, 0 chart(s) failed" in said


#: For each value another one that shows; the settings' are looked at as a file.
OTHERS: dict[str, Any] = {
    "image.repository": "other/vmbackup",
    "image.tag": "1.2.3",
    "image.digest": DIGEST,
    "image.pullPolicy": "Always",
    "imagePullSecrets": [{"name": "registry"}],
    "azureIdentity.clientId": CLIENT_ID,
    "azureIdentity.secretName": "azure",
    "crds.install": False,
    "formerNamespaces": [FORMER_TEAM],
    "admissionPolicies.enabled": False,
    "replicas": 3,
    "healthPort": 18080,
    "resources": SMALL,
    "priorityClass.create": False,
    "priorityClass.name": "other",
    "priorityClass.value": 2_000_000,
    "networkPolicy.enabled": False,
    "networkPolicy.from": [PEER],
    "networkPolicy.extraEgress": [TO_PROXY],
    "serviceMonitor.enabled": True,
    "prometheusRule.enabled": True,
    "hostNetwork": True,
    "extraEnv": PROXY,
    "extraVolumes": [CERTIFICATES],
    "extraVolumeMounts": [{"name": "temporary", "mountPath": "/opt/own"}],
    "podLabels": {"team": "backup"},
    "podAnnotations": {"example.com/scan": "no"},
    "nodeSelector": {"pool": "system"},
    "tolerations": [TOLERATION],
    "affinity": AFFINITY,
    "appliance.keyRing.secretRef.name": "other-ring",
}
MONITOR: Document = {"serviceMonitor": {"enabled": True}}
#: What shows only beside that.
BESIDE: dict[str, tuple[Any, Document]] = {
    "serviceMonitor.interval": ("10s", MONITOR),
    "serviceMonitor.labels": ({"release": "kps"}, MONITOR),
}
#: It asks a cluster: see the installations.
ASKING = {"keyRing.create"}


def at(path: str, value: object) -> Document:
    """Return values that differ at one path."""
    changed: Any = value
    for key in reversed(path.split(".")):
        changed = {key: changed}
    found: Document = changed
    return found


def test_each_value_of_the_chart_shows_in_what_comes_out(helm: Helm) -> None:
    """All but the settings, which the operator itself reads back below."""
    paths = {
        each.path
        for each in described((CHART / "values.yaml").read_text())
        if each.path.partition(".")[0] in OWN
    }
    cases: dict[str, tuple[Any, Document]] = {path: (OTHERS[path], {}) for path in OTHERS}
    cases |= BESIDE
    before = {False: rendered(helm), True: rendered(helm, MONITOR)}

    silent = [
        path
        for path, (value, beside) in cases.items()
        if rendered(helm, over(beside, at(path, value))) == before[path in BESIDE]
    ]

    assert silent == []
    assert paths - ASKING <= cases.keys()


def test_the_operator_reads_the_settings_that_were_given(helm: Helm, tmp_path: Path) -> None:
    """Each of the example's, which names every one."""
    given, taken = tmp_path / "given.yaml", tmp_path / "taken.yaml"
    settings = values()
    del settings["image"]
    given.write_text(yaml.safe_dump(settings))

    taken.write_text(one(rendered(helm), "ConfigMap")["data"]["settings.yaml"])

    assert load(taken) == load(given)


def test_other_settings_start_the_operator_anew(helm: Helm) -> None:
    def annotations(changes: Document) -> Document:
        pod = one(rendered(helm, changes), "Deployment")["spec"]["template"]
        found: Document = pod["metadata"]["annotations"]
        return found

    assert annotations({}) == annotations({"replicas": 3})
    assert annotations({}) != annotations({"workers": {"idleTtlSeconds": 600}})


@pytest.mark.parametrize("folder", ["rbac", "admission", "prometheus"])
def test_what_is_applied_by_hand_is_what_the_chart_installs(helm: Helm, folder: str) -> None:
    """But for labels: in the manifests' own namespace nothing else differs."""
    installed = named(rendered(helm, {"prometheusRule": {"enabled": True}}, namespace=SYSTEM))
    for path in sorted((CHART / folder).glob("*.yaml")):
        for plain in yaml.safe_load_all(path.read_text()):
            found = installed[f"{plain['kind']} {plain['metadata']['name']}"]
            labels = plain["metadata"].pop("labels", {})
            assert found["metadata"].pop("labels").items() >= labels.items()
            assert found == plain


def test_no_object_names_the_namespace_of_the_plain_manifests(helm: Helm) -> None:
    switched_on = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}

    for each in rendered(helm, switched_on):
        if each["kind"] != "CustomResourceDefinition":
            assert SYSTEM not in yaml.safe_dump(each)


def test_the_kinds_are_those_of_crds_and_are_kept(helm: Helm) -> None:
    installed = named(rendered(helm))
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        plain = yaml.safe_load(path.read_text())
        found = installed.pop(f"CustomResourceDefinition {plain['metadata']['name']}")
        assert found["spec"] == plain["spec"]
        assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}

    assert not any(name.startswith("CustomResourceDefinition") for name in installed)


def test_the_operator_is_bound_where_the_tenancy_says_and_where_it_said(helm: Helm) -> None:
    def bound(changes: Document) -> set[str]:
        return {
            each["metadata"]["namespace"]
            for each in rendered(helm, changes)
            if each["kind"] == "RoleBinding" and each["roleRef"]["kind"] == "ClusterRole"
        }

    assert bound({}) == {TEAM}
    assert bound({"tenancy": []}) == {HOME}
    assert bound(MATRIX["many teams"]) == {TEAM, OTHER_TEAM, HOME, FORMER_TEAM}


def test_without_a_cluster_to_look_at_no_key_is_drawn(helm: Helm) -> None:
    """Each rendering would draw another: what applies them again and again would lose the first."""
    assert not [each for each in rendered(helm) if each["kind"] == "Secret"]


def test_the_identity_is_workload_identitys_or_a_secrets(helm: Helm) -> None:
    def identity(changes: Document) -> tuple[set[str], bool, bool]:
        objects = rendered(helm, changes)
        pod = one(objects, "Deployment")["spec"]["template"]
        variables = {each["name"] for each in pod["spec"]["containers"][0]["env"]}
        annotations = one(objects, "ServiceAccount")["metadata"].get("annotations", {})
        return (
            {name for name in variables if name.startswith("AZURE_")},
            annotations.get("azure.workload.identity/client-id") == CLIENT_ID,
            pod["metadata"]["labels"].get("azure.workload.identity/use") == "true",
        )

    secret = {"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"}
    assert identity({}) == (set(), False, False)
    assert identity(MATRIX["workload identity"]) == (set(), True, True)
    assert identity({"azureIdentity": {"secretName": "azure"}}) == (secret, False, False)


def test_prometheus_and_the_policies_find_the_pods(helm: Helm) -> None:
    objects = rendered(helm, MATRIX["monitored"])
    pod = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    service = one(objects, "Service")
    monitor = one(objects, "ServiceMonitor")

    for kind in ("PodDisruptionBudget", "Deployment"):
        assert one(objects, kind)["spec"]["selector"]["matchLabels"].items() <= pod.items()
    for selector in (
        service["spec"]["selector"],
        one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= pod.items()
    selected = monitor["spec"]["selector"]["matchLabels"]
    assert selected.items() <= service["metadata"]["labels"].items()
    assert [each["name"] for each in service["spec"]["ports"]] == [
        each["port"] for each in monitor["spec"]["endpoints"]
    ]
    job = one(objects, "Job")["spec"]["template"]["metadata"]["labels"]
    assert not service["spec"]["selector"].items() <= job.items()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"appliance": {"tenantId": "contoso"}}, "at '/appliance/tenantId': 'contoso' does not"),
        ({"appliance": {"location": "x"}}, "at '/appliance': additional properties 'location'"),
        ({"tenancy": [{"namespace": "Web"}]}, "at '/tenancy/0/namespace': 'Web' does not match"),
        ({"workers": {"timeoutSeconds": 1}}, "at '/workers/timeoutSeconds': minimum: got 1"),
        ({"logging": {"format": "json"}}, "at '/logging/format': value must be one of"),
        ({"tags": {"Azure-x": "y"}}, "at '/tags/Azure-x'"),
        ({"image": {"repository": ""}}, "at '/image/repository': '' does not match pattern"),
        ({"replicaCount": 3}, "additional properties 'replicaCount' not allowed"),
        ({"namespace": "other"}, "namespace: must be the release's namespace backups"),
        (
            at("appliance.keyRing.secretRef.namespace", "other"),
            "appliance.keyRing.secretRef.namespace: must be the release's namespace backups",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_wrong_value_is_refused_by_its_path(helm: Helm, wrong: Document, said: str) -> None:
    with pytest.raises(HelmRefused, match=re.escape(said)):
        rendered(helm, wrong)


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    """Of clouds too, which put something behind the version."""
    assert rendered(helm, {}, "--kube-version=1.32.0-gke.100")
    with pytest.raises(HelmRefused, match=r"requires kubeVersion: >=1\.32\.0-0"):
        rendered(helm, {}, "--kube-version=1.31.9")
