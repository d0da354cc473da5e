"""Which fields of a pod the agent honours; one that it does not know is named, never passed over.

A table of shapes, by the fields' names: what is in it is either done, or stands in `WITHOUT_EFFECT`
with the reason why nothing has to be done about it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Only:
    """A field of which some values are known and others not."""

    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """A list, of which each item is of that shape."""

    item: Shape


#: An object with these fields, a list, certain values, or None for any value at all.
Shape: TypeAlias = "Mapping[str, Shape] | Each | Only | None"

#: What is let be, and why.
WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    "dnsPolicy": "names of Services are in the pod's hosts file, others are its proxy's to know",
    "enableServiceLinks": "tells of other Services than Kubernetes' own, which only adds variables",
    "fsGroup": "what is in a pod's volumes is its user's and group's already",
    "imagePullPolicy": "there is nothing to pull",
    "preemptionPolicy": "no pod makes way for another",
    "priority": "no pod makes way for another",
    "priorityClassName": "no pod makes way for another",
    "resources": "memory, disk and processors are not limited",
    "schedulerName": "the agent binds pods itself",
    "seccompProfile": "the agent filters no system calls",
    "sizeLimit": "memory, disk and processors are not limited",
    "terminationMessagePath": "nothing reads what a container leaves there",
    "terminationMessagePolicy": "nothing reads what a container leaves there",
    "tolerations": "no node has taints",
}

_KEY = {"name": None, "key": None, "optional": None}
#: What a fieldRef may name.
FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.podIP",
)
_FIELD_REF = {"apiVersion": Only(("v1",)), "fieldPath": Only(FIELD_PATHS)}
_ITEMS = Each({"key": None, "path": None})
_HTTP_PROBE: Mapping[str, Shape] = {
    "httpGet": {"path": None, "port": None, "scheme": Only(("HTTP",))},
    "failureThreshold": None,
    "initialDelaySeconds": None,
    "periodSeconds": None,
    "successThreshold": None,
    "timeoutSeconds": None,
}
_CONTAINER: Mapping[str, Shape] = {
    "name": None,
    "image": None,
    "command": None,
    "args": None,
    "env": Each(
        {
            "name": None,
            "value": None,
            "valueFrom": {"fieldRef": _FIELD_REF, "secretKeyRef": _KEY, "configMapKeyRef": _KEY},
        }
    ),
    "ports": Each({"name": None, "containerPort": None, "protocol": Only(("TCP",))}),
    "startupProbe": _HTTP_PROBE,
    "livenessProbe": _HTTP_PROBE,
    "readinessProbe": _HTTP_PROBE,
    # The processes have no right that they could raise, and a root that nobody can write to: a pod
    # that wants it otherwise would be told a lie.
    "securityContext": {
        "allowPrivilegeEscalation": Only((False,)),
        "capabilities": {"drop": Only((["ALL"],))},
        "readOnlyRootFilesystem": Only((True,)),
    },
    "volumeMounts": Each({"name": None, "mountPath": None, "readOnly": None}),
    "imagePullPolicy": None,
    "resources": None,
    "terminationMessagePath": None,
    "terminationMessagePolicy": None,
}
_MODE = {"defaultMode": None}
_PROJECTED: Mapping[str, Shape] = {
    "serviceAccountToken": {"audience": None, "expirationSeconds": None, "path": None},
    "configMap": {"name": None, "items": _ITEMS, "optional": None},
    "secret": {"name": None, "items": _ITEMS, "optional": None},
    "downwardAPI": {"items": Each({"path": None, "fieldRef": _FIELD_REF})},
}
_VOLUME: Mapping[str, Shape] = {
    "name": None,
    "configMap": {"name": None, "items": _ITEMS, "optional": None, **_MODE},
    "secret": {"secretName": None, "items": _ITEMS, "optional": None, **_MODE},
    "emptyDir": {"sizeLimit": None},
    "projected": {"sources": Each(_PROJECTED), **_MODE},
}
SPEC: Final[Mapping[str, Shape]] = {
    "automountServiceAccountToken": None,  # done by the API server, which adds the volume
    "containers": Each(_CONTAINER),
    "nodeName": None,
    "restartPolicy": None,
    "securityContext": {
        "fsGroup": None,
        "runAsGroup": None,
        "runAsNonRoot": Only((True,)),
        "runAsUser": None,
        "seccompProfile": {"type": Only(("RuntimeDefault",))},
    },
    "serviceAccount": None,
    "serviceAccountName": None,
    "terminationGracePeriodSeconds": None,
    "topologySpreadConstraints": Each(
        {
            "labelSelector": {"matchLabels": None},
            "maxSkew": Only((1,)),
            "topologyKey": None,
            "whenUnsatisfiable": Only(("ScheduleAnyway",)),
        }
    ),
    "volumes": Each(_VOLUME),
    "dnsPolicy": Only(("ClusterFirst",)),
    "enableServiceLinks": None,
    "preemptionPolicy": None,
    "priority": None,
    "priorityClassName": None,
    "schedulerName": Only(("default-scheduler",)),
    "tolerations": None,
}


def not_known(spec: Mapping[str, Any]) -> list[str]:
    """Return by its path, in ``kubectl explain``'s words, what of a pod's *spec* is not known."""
    return [*_not_known(spec, SPEC, "spec"), *_wrong_number(spec)]


def _wrong_number(spec: Mapping[str, Any]) -> Iterator[str]:
    if (count := len(spec.get("containers", ()))) != 1:
        yield f"spec.containers: there are {count}, and one is known"
    if not spec.get("securityContext", {}).get("runAsUser"):
        yield "spec.securityContext.runAsUser: nothing is run as root"
    for container in spec.get("containers", ()):
        if not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
            yield "spec.containers.securityContext.readOnlyRootFilesystem: every root is read-only"


def _not_known(found: Any, shape: Shape, path: str) -> Iterator[str]:
    match shape:
        case None:
            return
        case Only(values) if found not in values:
            yield f"{path}: {found} is not known"
        case Only():
            return
        case Each(item):
            for each in found:
                yield from _not_known(each, item, path)
        case _:
            yield from _not_in(found, shape, path)


def _not_in(found: Mapping[str, Any], fields: Mapping[str, Shape], path: str) -> Iterator[str]:
    for name, value in found.items():
        if name in fields:
            yield from _not_known(value, fields[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: not known"
