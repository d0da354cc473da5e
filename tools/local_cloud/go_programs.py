"""Programs in Go that only some tests need, each built once and by a command of its own.

``python -m tools.local_cloud.go_programs NAME`` builds one; ``--missing`` says which are not there.
No test builds any: that takes minutes of a processor, and gigabytes beside them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tools.local_cloud.client_programs import ClientProgram
from tools.local_cloud.toolchains import ROOT, build_go, cache_folder

_HELM = ROOT / "tools" / "helm"
_PROMTOOL = ROOT / "tools" / "promtool"


def _build_helm(folder: Path) -> None:
    build_go(_HELM, "helm.sh/helm/v4/cmd/helm", folder / "helm")


HELM = ClientProgram(
    "helm", (_HELM / "go.mod", _HELM / "go.sum"), "helm", _build_helm, command="make helm"
)


def _build_promtool(folder: Path) -> None:
    build_go(_PROMTOOL, "github.com/prometheus/prometheus/cmd/promtool", folder / "promtool")


PROMTOOL = ClientProgram(
    "promtool",
    (_PROMTOOL / "go.mod", _PROMTOOL / "go.sum"),
    "promtool",
    _build_promtool,
    command="make promtool",
)

PROGRAMS = {each.name: each for each in (HELM, PROMTOOL)}


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
