"""The chart as tests install it: whose namespaces, which values, what comes out of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import yaml

from tools.chart.page import CHART
from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.helm import Helm

Document: TypeAlias = dict[str, Any]

RELEASE = "vmbackup"
#: Another namespace than the plain manifests', so that what still names theirs is found.
HOME = "backups"
TEAM, OTHER_TEAM, FORMER_TEAM = "web-team", "payroll", "left"


def over(below: Document, above: Mapping[str, Any]) -> Document:
    """Return values as Helm puts them over each other: objects by key, all else whole."""
    merged = copy.deepcopy(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = over(merged[name], value) if both else copy.deepcopy(value)
    return merged


def values(changes: Mapping[str, Any] | None = None, *, namespace: str = HOME) -> Document:
    """Return the values of an installation by the chart's settings.yaml, with *changes*."""
    settings = yaml.safe_load((CHART / "settings.yaml").read_text())
    settings["namespace"] = namespace
    settings["appliance"]["keyRing"]["secretRef"]["namespace"] = namespace
    settings["image"] = {"repository": "registry.example.com/vmbackup"}
    return over(settings, changes or {})


def rendered(
    helm: Helm,
    changes: Mapping[str, Any] | None = None,
    *words: str,
    namespace: str = HOME,
) -> list[Document]:
    """Return the objects of the chart, without a look at any cluster."""
    asked = ("template", RELEASE, str(CHART), f"--namespace={namespace}", *words)
    text = helm(*asked, values=values(changes, namespace=namespace))
    return [each for each in yaml.safe_load_all(text) if each]


def named(objects: list[Document]) -> dict[str, Document]:
    """Return objects by their kinds and names."""
    return {f"{each['kind']} {each['metadata']['name']}": each for each in objects}


def one(objects: list[Document], kind: str) -> Document:
    """Return the only object of that kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    return found


def judged(plane: ControlPlane, objects: list[Document]) -> str:
    """Have the API server judge objects as if they were applied; raise where it refuses one."""
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    return plane.administrator.kubectl(*words, given=json.dumps(listed))
