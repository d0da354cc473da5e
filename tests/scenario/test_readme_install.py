"""README's Install, walked literally: every fenced command, in its order, with the examples' ids.

What takes the place of something that is not there, and nothing else:

- ``az``: carries out ``az rest --method put`` as the simulated Azure's administrator;
- ``make``: ``setup`` has been done, ``bundle`` is built for the Python that workers here have;
- tenant and bundle in ``settings.yaml``, which the reader edits after copying it;
- the operator, which does not end by itself, runs on beside the commands that follow.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.local_cloud import seed
from tools.local_cloud.administrator import Administrator
from tools.local_cloud.azure import simulated_azure
from tools.local_cloud.control_plane import ControlPlane, control_plane
from tools.local_cloud.installation import OPERATOR_NAMESPACE, USER_NAMESPACE
from tools.local_cloud.operator_process import azure_environment, clean_environment
from tools.local_cloud.toolchains import ROOT, kubectl
from tools.local_cloud.worker_python import worker_python

pytestmark = pytest.mark.timeout(1200)

COMMAND_LIMIT_S = 900
BLOCK = re.compile(r"^ *```\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
STARTS_THE_OPERATOR = "-m vmbackup_operator"

AZ = """\
#!{python}
import json, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tools.local_cloud.administrator import Administrator
assert sys.argv[1:5] == ["rest", "--method", "put", "--url"] and sys.argv[6] == "--body", sys.argv
at, _, version = sys.argv[5].removeprefix("https://management.azure.com").partition("?api-version=")
Administrator(json.loads(Path({ready!r}).read_text())).arm(at, version, json.loads(sys.argv[7]))
"""
MAKE = """\
#!/bin/sh
case "$*" in
setup) ;;
bundle) exec .venv/bin/python -m tools.bundle --python {version} ;;
*) echo "no such target here: $*" >&2; exit 2 ;;
esac
"""


def commands() -> list[str]:
    """Return the commands of README's Install, each with its continued lines."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index("## Install") : text.index("## The resources")]
    lines = "".join(BLOCK.findall(section)).replace("\\\n", "")
    return [line.strip() for line in lines.splitlines()]


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who follows README in *folder*, a checkout."""

    folder: Path
    environment: dict[str, str]
    ready: dict[str, Any]
    running: ExitStack

    def follow(self, command: str) -> None:
        """Type *command*; fail with what it says where it fails."""
        if STARTS_THE_OPERATOR in command:
            self._start(command)
            return
        done = subprocess.run(  # noqa: S603 - what README says, typed
            ["/bin/bash", "-c", command], cwd=self.folder, env=self.environment, check=False,
            capture_output=True, text=True, timeout=COMMAND_LIMIT_S,
        )  # fmt: skip
        log = self.folder / "operator.log"
        said = log.read_text()[-3000:] if log.exists() else ""
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\n{said}"
        if command.endswith(" settings.yaml"):
            self._edit_settings()

    def _edit_settings(self) -> None:
        path = self.folder / "settings.yaml"
        settings = yaml.safe_load(path.read_text())
        settings["appliance"]["tenantId"] = self.ready["tenantId"]
        settings["workers"]["bundle"] = "build/bundle"
        path.write_text(yaml.safe_dump(settings))

    def _start(self, command: str) -> None:
        log = self.running.enter_context((self.folder / "operator.log").open("w"))
        variables, _, program = command.partition(" ")  # KUBECONFIG=… before the program
        process = subprocess.Popen(  # noqa: S603 - what README says, typed
            ["/usr/bin/env", variables, *program.split()],
            cwd=self.folder,
            env={**self.environment, **azure_environment(self.ready)},
            stdout=log,
            stderr=log,
        )
        self.running.callback(process.wait, 30)
        self.running.callback(process.terminate)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, ControlPlane]]:
    """A reader with what README takes for granted: a cluster, a VNet, an account, an identity."""
    root = tmp_path_factory.mktemp("readme")
    folder, programs = root / "checkout", root / "bin"
    folder.mkdir()
    programs.mkdir()
    for path in ROOT.iterdir():
        if path.name not in {"build", ".git", "settings.yaml"}:
            (folder / path.name).symlink_to(path)
    with (
        simulated_azure(root / "azure", speed=60) as ready,
        control_plane() as plane,
        ExitStack() as running,
    ):
        seed.seed_appliance(Administrator(ready))
        (root / "ready.json").write_text(json.dumps(ready))
        _program(
            programs / "az",
            AZ.format(python=sys.executable, root=str(ROOT), ready=str(root / "ready.json")),
        )
        _program(programs / "make", MAKE.format(version=worker_python().version))
        (programs / "kubectl").symlink_to(kubectl())
        environment = clean_environment() | {
            "KUBECONFIG": str(plane.administrator.kubeconfig),
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(root),
        }
        yield Reader(folder, environment, ready, running), plane


def test_whoever_types_what_readme_says_has_a_repository_that_is_ready(
    reader: tuple[Reader, ControlPlane],
) -> None:
    somebody, plane = reader
    typed = commands()
    assert any(STARTS_THE_OPERATOR in command for command in typed)

    for command in typed:
        somebody.follow(command)

    where = f"--namespace={USER_NAMESPACE}"
    (repository,) = plane.administrator.get("brepo", where)["items"]
    (ready,) = [c for c in repository["status"]["conditions"] if c["type"] == "Ready"]
    assert ready["status"] == "True"
    assert [each["metadata"]["name"] for each in plane.administrator.get("bpol", where)["items"]]
    assert not plane.administrator.get("bses", where)["items"]
    ring = plane.administrator.get(
        "secret", "vmbackup-key-ring", f"--namespace={OPERATOR_NAMESPACE}"
    )
    assert ring["data"]
