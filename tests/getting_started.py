"""docs/getting-started-aks.md, typed, with programs that only note what they are told."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.sources import ROOT

PAGE = ROOT / "docs" / "getting-started-aks.md"
#: What az answers whatever it is asked, where the page goes on with it: an id.
ID = "99999999-8888-4777-8666-555555555555"
#: What is typed on the page and would reach for Azure, a cluster or a registry, with its answers.
PROGRAMS = {
    "az": ID,
    "kubectl": "bmFtZQ==",
    "helm": "",
    "skopeo": "",
    "make": "",
    "less": "",
    ".venv/bin/python": "true",
}
#: Says what it was told into `told`, ended by an empty word, and answers with one word.
#: What `-f -` has it read is kept in `read`.
_PROGRAM = """#!/bin/sh
printf '%s\\0' "${0#@folder@/}" "$@" '' >> @folder@/told
case " $* " in *" -f - "*) cat >> @folder@/read ;; esac
echo @answer@
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of it: the commands in their order, and what lies in *folder*."""

    folder: Path
    commands: tuple[tuple[str, ...], ...]

    def of(self, program: str) -> list[tuple[str, ...]]:
        """Return what *program* was told, each time."""
        return [command[1:] for command in self.commands if command[0] == program]


def shell() -> str:
    """Return all that the page has people type."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def typed(folder: Path) -> Typed:
    """Type the page in *folder*; raise CalledProcessError where the shell does not take it."""
    for name, answer in PROGRAMS.items():
        program = folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(_PROGRAM.replace("@folder@", str(folder)).replace("@answer@", answer))
        program.chmod(0o755)
    path = f"{folder}:/usr/bin:/bin"
    subprocess.run(  # noqa: S603 - what the page says
        ["/bin/sh", "-eu", "-c", shell()],
        cwd=folder,
        env={"PATH": path},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    words = (folder / "told").read_text().split("\0\0")
    commands = tuple(tuple(each.split("\0")) for each in words if each)
    return Typed(folder, commands)
