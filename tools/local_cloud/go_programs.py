"""Programs in Go that only some tests need, each built once and by a command of its own.

``python -m tools.local_cloud.go_programs NAME`` builds one; ``--missing`` says which are not there.
No test builds any: that takes minutes of a processor, and gigabytes beside them.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tools.local_cloud.client_programs import ClientProgram
from tools.local_cloud.kubernetes_programs import PINS, link_flags
from tools.local_cloud.toolchains import ROOT, build_go, cache_folder, module_folder

_KWOK = ROOT / "tools" / "kwok"

#: kwok's own stages, in one file: a node becomes ready and stays so, a pod runs, ends and goes.
KWOK_STAGES = "stages.yaml"
_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)

#: The folder of the definitions of a controller's kinds.
FLUX_KINDS = "crds"


def _program(
    name: str,
    module: Path,
    package: str,
    command: str,
    *,
    flags: Callable[[], str] = lambda: "-s -w",
    add: Callable[[Path], None] = lambda _: None,
) -> ClientProgram:
    """Return the program that *module*, a folder, pins and *package* is the source of.

    *command* is what has it built, *flags* what Go's linker is told; *add* puts beside the program
    what it needs.
    """

    def build(folder: Path) -> None:
        build_go(module, package, folder / name, flags())
        add(folder)

    return ClientProgram(name, (module / "go.mod", module / "go.sum"), name, build, command)


def _write_stages(folder: Path) -> None:
    stages = module_folder(_KWOK, "sigs.k8s.io/kwok") / "kustomize" / "stage"
    each = [(stages / name).read_text() for name in _STAGES]
    (folder / KWOK_STAGES).write_text("---\n".join(each))


def _controller(name: str) -> ClientProgram:
    """Return the controller of Flux's called *name*, with the kinds that it brings beside it."""
    module, path = ROOT / "tools" / "flux" / name, f"github.com/fluxcd/{name}"

    def copy_kinds(folder: Path) -> None:
        kinds = module_folder(module, path) / "config" / "crd" / "bases"
        (folder / FLUX_KINDS).mkdir()
        for definition in kinds.glob("*.yaml"):
            shutil.copyfile(definition, folder / FLUX_KINDS / definition.name)

    return _program(name, module, path, "make flux", add=copy_kinds)


HELM = _program("helm", ROOT / "tools" / "helm", "helm.sh/helm/v4/cmd/helm", "make helm")
KWOK = _program("kwok", _KWOK, "sigs.k8s.io/kwok/cmd/kwok", "make kwok", add=_write_stages)
SCHEDULER = _program(
    "kube-scheduler", PINS, "k8s.io/kubernetes/cmd/kube-scheduler", "make kwok", flags=link_flags
)
PROMTOOL = _program(
    "promtool",
    ROOT / "tools" / "promtool",
    "github.com/prometheus/prometheus/cmd/promtool",
    "make promtool",
)
SOURCE_CONTROLLER = _controller("source-controller")
KUSTOMIZE_CONTROLLER = _controller("kustomize-controller")
KUBELET = _program(
    "kubelet",
    ROOT / "tools" / "kubelet",
    "k8s.io/kubernetes/cmd/kubelet",
    "make kubelet",
    flags=link_flags,
)

_ALL = (HELM, KWOK, SCHEDULER, PROMTOOL, KUBELET, SOURCE_CONTROLLER, KUSTOMIZE_CONTROLLER)
PROGRAMS = {each.name: each for each in _ALL}


def main() -> None:
    """Build what is asked for, or say what is missing."""
    parser = argparse.ArgumentParser(prog="python -m tools.local_cloud.go_programs")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PROGRAMS))
    parser.add_argument("--missing", action="store_true", help="say what is not built")
    asked = parser.parse_args()
    # Not by `choices`: argparse takes the names that were not given for one of them.
    for unknown in set(asked.names) - PROGRAMS.keys():
        parser.error(f"{unknown} is none of {', '.join(PROGRAMS)}")
    if asked.missing:
        for program in PROGRAMS.values():
            if not program.is_built:
                print(f"{program.name} is not built ({program.command}): its tests are skipped")
        return
    for name in asked.names:
        began = time.monotonic()
        print(f"  {name}, in {cache_folder()} …", end="", flush=True)
        path = PROGRAMS[name].path()
        print(f" {path} ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
