"""A control plane of the chart's own, with the namespaces of teams, and helm where it was built."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chart.charted import FORMER_TEAM, HOME, OTHER_TEAM, TEAM
from tests.contract.clients.programs import built
from tools.local_cloud.control_plane import ControlPlane, control_plane
from tools.local_cloud.go_programs import HELM
from tools.local_cloud.helm import Helm

#: The Prometheus operator's kinds that the chart makes objects of. Its definitions are not ours to
#: keep: what is in the objects is compared with ours by the tests.
MONITORING = {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"}


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    built(HELM)  # no control plane for tests that are skipped
    with control_plane() as running:
        for namespace in (HOME, TEAM, OTHER_TEAM, FORMER_TEAM):
            running.administrator.kubectl("create", "namespace", namespace)
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        running.administrator.kubectl("label", "namespace", HOME, restricted)
        yield running


@pytest.fixture(scope="session")
def helm(plane: ControlPlane) -> Helm:
    """helm with an administrator's rights."""
    return Helm(built(HELM), plane.administrator)


@pytest.fixture(scope="session")
def monitored(plane: ControlPlane) -> ControlPlane:
    """The control plane with the Prometheus operator's kinds."""
    for plural, kind in MONITORING.items():
        plane.administrator.create(_definition(plural, kind))
        name = f"crd/{plural}.monitoring.coreos.com"
        plane.administrator.kubectl("wait", "--for=condition=Established", "--timeout=60s", name)
    return plane


def _definition(plural: str, kind: str) -> dict[str, object]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": names,
            "versions": [{**version, "schema": {"openAPIV3Schema": anything}}],
        },
    }
