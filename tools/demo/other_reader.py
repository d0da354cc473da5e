"""The repository read by a program that shares no code with the product's.

`tests/format/reader` was written from docs/repository-format.md alone; it reads folders, so both
containers are copied into one first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.demo.narration import FactBroken
from tools.local_cloud import disk_images
from tools.local_cloud.operator_process import azure_environment, clean_environment
from tools.local_cloud.seed import SeededDisk

_READER = Path(__file__).parents[2] / "tests" / "format" / "reader"


@dataclass(frozen=True, slots=True)
class OtherReader:
    """Works in *folder*; *ready* says how the appliance's network is reached."""

    repository: str
    key_file: Path
    folder: Path
    ready: Mapping[str, Any]

    def copy(self) -> None:
        """Copy data and control into the folder, as they are."""
        for url, place in ((self.repository, "data"), (f"{self.repository}-control", "control")):
            _run(
                [sys.executable, "-m", "tools.demo.copying", url, str(self.folder / place)],
                clean_environment() | azure_environment(self.ready),
            )

    def read(self) -> Any:
        """Return what the reader says of the repository; it restores each disk of each point."""
        (self.folder / "disks").mkdir()
        said = _run(
            [
                *(sys.executable, "-I", str(_READER), str(self.folder), str(self.key_file)),
                *("--json", "--no-digests", "--into", str(self.folder / "disks")),
            ],
            clean_environment(),
        )
        return json.loads(said)

    def complaints(self, report: Any, points: Mapping[str, Sequence[SeededDisk]]) -> Iterator[str]:
        """Yield what the reader found, and each byte in which it and *points* differ.

        These are the disks as they were at the time of each run.
        """
        yield from (f"{finding}" for finding in report["findings"])
        if sorted(each["run"] for each in report["points"]) != sorted(points):
            yield f"{[each['run'] for each in report['points']]}, and not {[*points]}"
        for point in report["points"]:
            by_name = {disk.name: disk.path for disk in points.get(point["run"], ())}
            for disk in point["disks"]:
                restored = self.folder / "disks" / f"{disk['chain']}-{disk['slot']}"
                then = by_name.get(disk["name"])
                offset = None if then is None else disk_images.first_difference(then, restored)
                if then is None or disk["holes"] or offset is not None:
                    yield f"{disk['name']} of {point['run']} differs: {offset}, {disk['holes']}"


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise FactBroken(f"{' '.join(command[1:3])}: {done.stderr.strip()}")
    return done.stdout
