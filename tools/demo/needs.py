"""What the demo needs of the machine: built or downloaded where it was not before, and named."""

from __future__ import annotations

from pathlib import Path

from tools.bundle import build
from tools.demo.narration import Narrator
from tools.local_cloud import azurite, disk_images
from tools.local_cloud.go_programs import HELM
from tools.local_cloud.kubernetes_programs import PACKAGES, kubernetes_program
from tools.local_cloud.toolchains import kubectl
from tools.local_cloud.worker_python import WANTED, worker_python


def make_ready(say: Narrator, bundle: Path) -> None:
    """Make all of it, the workers' *bundle* too."""
    say.part("1  What the demo needs")
    with say.step("kube-apiserver, kube-controller-manager, etcd (built once, ~5 minutes)"):
        for name in PACKAGES:
            kubernetes_program(name)
    with say.step("helm (built once, ~3 minutes)"):
        HELM.path()
    with say.step("kubectl, Node and Azurite"):
        kubectl()
        azurite.installed()
    with say.step(f"e2fsprogs: {', '.join(disk_images.PROGRAMS)}"):
        disk_images.file_system_programs()
    python = worker_python()
    with say.step(f"the worker's bundle, for Python {python.version}"):
        build(python.version, bundle)
    for unfit in python.passed_over:
        say.say(f"passed over: {unfit}")
    if python.version != WANTED:
        say.say(f"no Python {WANTED} found: the workers' image has {python.version}")
