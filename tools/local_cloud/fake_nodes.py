"""Nodes that run nothing, by kwok, and Kubernetes' own scheduler, which puts pods on them.

What Kubernetes makes of objects is real: where pods are put, which may be evicted, how a rollout
goes. What runs in them is not: each pod is ready at once, and each Job's has done what it should.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.go_programs import KWOK, KWOK_STAGES, SCHEDULER
from tools.local_cloud.processes import Program, start_program

#: kwok plays the nodes with this annotation alone.
_PLAYED = {"kwok.x-k8s.io/node": "fake"}
_SELECTOR = ",".join(f"{key}={value}" for key, value in _PLAYED.items())
_READY_S = 120


@contextmanager
def fake_nodes(plane: ControlPlane, zones: Mapping[str, str]) -> Iterator[None]:
    """Give *plane* a ready node for each of *zones*, its zone by its name, until the block ends.

    The nodes' objects stay behind: nobody plays them any more.
    """
    kubeconfig = f"--kubeconfig={plane.administrator.kubeconfig}"
    scheduler = ("--leader-elect=false", "--secure-port=0")
    stages = KWOK.path().with_name(KWOK_STAGES)
    kwok = (
        f"--config={stages}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={_SELECTOR}",
        "--node-lease-duration-seconds=40",
    )
    running: list[Program] = []
    try:
        for program, options in ((SCHEDULER, scheduler), (KWOK, kwok)):
            log = plane.folder / f"{program.name}.log"
            running.append(start_program([program.path(), kubeconfig, *options], log))
        for name, zone in zones.items():
            plane.administrator.kubectl("apply", "-f", "-", given=json.dumps(_node(name, zone)))
        ready = ("--for=condition=Ready", f"--timeout={_READY_S}s")
        plane.administrator.kubectl("wait", "node", *zones, *ready)
        yield
    finally:
        while running:
            running.pop().stop()


def _node(name: str, zone: str) -> dict[str, object]:
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}
    metadata = {"name": name, "labels": labels, "annotations": _PLAYED}
    room = {"cpu": "4", "memory": "16Gi", "pods": "110"}
    status = {"allocatable": room, "capacity": room}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}
