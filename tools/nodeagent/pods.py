"""A pod as the agent has it: what its manifest says, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tools.nodeagent.fields import not_known

RestartPolicy: TypeAlias = Literal["Always", "OnFailure", "Never"]
ProbeName: TypeAlias = Literal["startupProbe", "livenessProbe", "readinessProbe"]
PROBES: tuple[ProbeName, ...] = ("startupProbe", "livenessProbe", "readinessProbe")


class NotKnown(Exception):
    """A pod has fields that the agent does not honour; the message names each."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe asks for over HTTP, and how often which answer counts."""

    path: str
    port: int
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a container has a volume."""

    volume: str
    path: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Container:
    """A pod's only container; *command* is None where the image's entry point is meant."""

    name: str
    image: str
    command: tuple[str, ...] | None
    arguments: tuple[str, ...]
    variables: tuple[Mapping[str, Any], ...]
    ports: frozenset[int]
    probes: Mapping[ProbeName, Probe]
    mounts: tuple[Mount, ...]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that is bound to a node."""

    namespace: str
    name: str
    uid: str
    node: str
    account: str
    labels: Mapping[str, str]
    user: int
    group: int
    restart_policy: RestartPolicy
    grace_s: float
    container: Container
    #: By the volumes' names, as manifests have them.
    volumes: Mapping[str, Mapping[str, Any]]

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"


def parse_pod(manifest: Mapping[str, Any]) -> Pod:
    """Return what *manifest* says; raise NotKnown where it says something that is not honoured."""
    metadata, spec = manifest["metadata"], manifest["spec"]
    if found := not_known(spec):
        raise NotKnown(f"pod {metadata['name']}: {'; '.join(found)}")
    (container,) = spec["containers"]
    security = spec["securityContext"]
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec["nodeName"],
        account=spec["serviceAccountName"],
        labels=metadata.get("labels", {}),
        user=security["runAsUser"],
        group=security.get("runAsGroup", security["runAsUser"]),
        restart_policy=spec["restartPolicy"],
        grace_s=spec["terminationGracePeriodSeconds"],
        container=_container(container),
        volumes={each["name"]: each for each in spec.get("volumes", ())},
    )


def _container(said: Mapping[str, Any]) -> Container:
    ports = said.get("ports", ())
    named = {each["name"]: each["containerPort"] for each in ports if "name" in each}
    mounts = said.get("volumeMounts", ())
    return Container(
        name=said["name"],
        image=said["image"],
        command=tuple(said["command"]) if "command" in said else None,
        arguments=tuple(said.get("args", ())),
        variables=tuple(said.get("env", ())),
        ports=frozenset(each["containerPort"] for each in ports),
        probes={name: _probe(said[name], named) for name in PROBES if name in said},
        mounts=tuple(
            Mount(each["name"], each["mountPath"], each.get("readOnly", False)) for each in mounts
        ),
    )


def _probe(said: Mapping[str, Any], named: Mapping[str, int]) -> Probe:
    """Return a probe; what it leaves out the API server has filled in, but for the first delay."""
    asked = said["httpGet"]
    port = asked["port"]
    return Probe(
        path=asked["path"],
        port=port if isinstance(port, int) else named[port],
        initial_delay_s=said.get("initialDelaySeconds", 0),
        period_s=said["periodSeconds"],
        timeout_s=said["timeoutSeconds"],
        success_threshold=said["successThreshold"],
        failure_threshold=said["failureThreshold"],
    )
