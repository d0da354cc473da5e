"""The demo's last part: what the repository still gives when operator and cluster are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.demo import disks
from tools.demo.archived import TIER, ArchiveAlone
from tools.demo.narration import Narrator
from tools.demo.other_reader import OtherReader
from tools.local_cloud import disk_images, seed
from tools.local_cloud.seed import SeededDisk


@dataclass(frozen=True, slots=True)
class Afterwards:
    """Whoever has the key alone, with a *folder*; *points* are the disks at each run's time.

    The last of them is the latest.
    """

    narrator: Narrator
    line: disks.CommandLine
    folder: Path
    points: Mapping[str, list[SeededDisk]]
    archive: ArchiveAlone

    def play(self) -> None:
        """Check the repository, restore its latest point, and have another program read it all.

        The archive is restored from its own container, without the one that it was copied from.
        """
        say, line = self.narrator, self.line
        say.say(line.run("list"))
        say.say(self.archive.line.run("list"))
        reader = OtherReader(line.repository, line.key_file, self.folder / "copied", line.ready)
        restored = self.folder / "restored"
        wanted = ("--point", "latest", "--vm", seed.VM_NAME, "--all")

        with say.step("both containers copied into a folder"):
            reader.copy()  # before the rest: who checks or restores holds what it reads, by objects
        checked, _, _, report = say.together(
            {
                "vmbackup repository check --read-data": lambda: line.run("check", "--read-data"),
                f"vmbackup repository restore {' '.join(wanted)}": lambda: line.run(
                    "restore", *wanted, "--to", str(restored)
                ),
                "vmbackup repository restore, of the archive": self.archive.restore,
                "the copy read by a program made from the format's page alone": reader.read,
            }
        )
        say.say(checked)
        *_, latest = self.points.values()
        say.holds(
            "the command line restored every byte of every disk of the latest point",
            list(disks.differences(latest, restored)),
        )
        system = disks.restored_file(latest[0], restored)
        say.say(f"e2fsck -fn: {disk_images.check_file_system(system)}")
        say.holds(
            "the other program finds nothing wrong, and every byte of every disk of both points",
            list(reader.complaints(report, self.points)),
        )
        say.holds(
            "the archive alone gave back every byte of every disk: 0 differences",
            self.archive.differences(),
        )
        say.holds(f"Azure lists its packs in {TIER}", list(self.archive.tier_complaints()))
