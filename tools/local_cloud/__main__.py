"""``python -m tools.local_cloud``: makes what tests and demo need once, and says what it is doing.

`make test` and `make demo` begin with it, so that no test's time limit pays for a download or a
build. Where all of it is there already, it takes a moment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tools.bundle.build import locked_wheels
from tools.local_cloud import azurite
from tools.local_cloud.kubernetes_programs import PACKAGES, kubernetes_program
from tools.local_cloud.toolchains import cache_folder, kubectl, node
from tools.local_cloud.worker_python import WANTED, worker_python


def make_ready() -> None:
    """Make everything that is made once; what is there already is only looked at."""
    print(f"What is made once, in {cache_folder()}:", flush=True)
    python = worker_python()
    for unfit in python.passed_over:
        print(f"  passed over: {unfit}", flush=True)
    _step(f"Python {python.version} for the workers", lambda: python.executable)
    _step("kubectl", kubectl)
    _step("Node", node)
    _step("Azurite", azurite.installed)
    for version in sorted({WANTED, python.version, _own_version()}):
        _step(f"the workers' packages for Python {version}", partial(locked_wheels, version))
    for name in PACKAGES:
        _step(name, partial(kubernetes_program, name))


def _own_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _step(what: str, make: Callable[[], Path]) -> None:
    began = time.monotonic()
    print(f"  {what} …", end="", flush=True)
    place = make()
    print(f" {place} ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    make_ready()
