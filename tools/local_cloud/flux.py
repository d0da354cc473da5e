"""Flux's own source-controller and kustomize-controller, as processes beside a control plane.

They act with an administrator's rights, as Flux does where nobody has given it fewer, and listen on
loopback alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.local_cloud.control_plane import ControlPlane
from tools.local_cloud.go_programs import FLUX_KINDS, KUSTOMIZE_CONTROLLER, SOURCE_CONTROLLER
from tools.local_cloud.processes import Program, free_port, start_program

NAMESPACE = "flux-system"

#: Kinds of both controllers whose objects a test makes, as kubectl wants them called.
GIT_REPOSITORY = "gitrepositories.source.toolkit.fluxcd.io"
KUSTOMIZATION = "kustomizations.kustomize.toolkit.fluxcd.io"

_CONTROLLERS = (SOURCE_CONTROLLER, KUSTOMIZE_CONTROLLER)
_ALIKE = (
    "--metrics-addr=127.0.0.1:0",
    "--health-addr=127.0.0.1:0",
    "--events-addr=",
    "--watch-all-namespaces=true",
    "--enable-leader-election=false",
)


@contextmanager
def flux(plane: ControlPlane) -> Iterator[None]:
    """Have Flux work in *plane* until the block ends; its kinds and their objects go then.

    Both controllers must have been built.
    """
    kinds = [program.path().with_name(FLUX_KINDS) for program in _CONTROLLERS]
    running: list[Program] = []
    for folder in kinds:
        plane.install_crds(folder)
    try:
        plane.administrator.kubectl("create", "namespace", NAMESPACE)
        running.append(_start_source_controller(plane))
        running.append(_start(plane, KUSTOMIZE_CONTROLLER.path(), ()))
        yield
    finally:
        while running:
            running.pop().stop()
        _remove(plane, kinds)


def _start_source_controller(plane: ControlPlane) -> Program:
    storage = plane.folder / "flux-artifacts"
    storage.mkdir(exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    serving = (f"--storage-addr={address}", f"--storage-adv-addr={address}")
    return _start(plane, SOURCE_CONTROLLER.path(), (f"--storage-path={storage}", *serving))


def _start(plane: ControlPlane, program: Path, options: tuple[str, ...]) -> Program:
    environment = {
        "KUBECONFIG": str(plane.administrator.kubeconfig),
        "RUNTIME_NAMESPACE": NAMESPACE,
    }
    log = plane.folder / f"{program.name}.log"
    return start_program([program, *_ALIKE, *options], log, environment)


def _remove(plane: ControlPlane, kinds: list[Path]) -> None:
    """Take Flux's objects and kinds away: nobody is there any more who would end a finalizer."""
    without = ("--type=merge", '--patch={"metadata":{"finalizers":null}}')
    for kind in (KUSTOMIZATION, GIT_REPOSITORY):
        found = plane.administrator.kubectl("get", kind, "-n", NAMESPACE, "-o", "name").split()
        if found:
            plane.administrator.kubectl("patch", *found, "-n", NAMESPACE, *without)
    for folder in kinds:
        plane.administrator.kubectl("delete", "-f", str(folder), "--timeout=60s")
    plane.administrator.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")
