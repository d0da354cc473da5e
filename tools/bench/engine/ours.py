"""vmbackup as it is measured: a worker's job as a process, and the command that people use."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bench.engine.processes import Cost, measured
from tools.bench.engine.repository import Disk, Ordered, Repository, Stopwatch
from tools.bench.engine.source import Source
from tools.bench.engine.worker_process import REFUSED
from tools.local_cloud.toolchains import ROOT
from vmbackup_core.protocol import BackupResult, DiskDone, DiskToBackUp, Failed, Fallback
from vmbackup_core.protocol.messages import read_event, read_result, write_message
from vmbackup_core.repository.control.backup.committing import CommittedDisk

#: Which order a run of the bench has; jobs are told apart by it.
FIRST_RUN = 1


class Refused(Exception):
    """The worker does not do what the job asks for, or does something else instead."""

    def __init__(self, told: Failed | Fallback) -> None:
        super().__init__(f"{told.reason}: {told.message}")
        self.reason = told.reason


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a session took: of the worker's process, of the operator, of the source's.

    *operator_s* is what preparing, committing and recording took, in a process that runs anyhow.
    """

    cost: Cost
    operator_s: float
    source_cpu_s: float
    read_mb: float
    stored_mb: float
    committed: Sequence[CommittedDisk]

    def figures(self) -> dict[str, float]:
        """Return them by name."""
        return {
            **self.cost.figures(),
            "stored_mb": self.stored_mb,
            "read_mb": self.read_mb,
            "operator_s": self.operator_s,
            "source_cpu_s": self.source_cpu_s,
        }


class Ours:
    """A repository of ours, and what is done with it, each process *under* another where given."""

    def __init__(self, source: Source, folder: Path, runs: int = FIRST_RUN) -> None:
        self.source = source
        self.repository = Repository(folder)
        self._runs = runs
        self.under: list[str] = []

    def back_up(
        self, disks: Sequence[Disk], *, deltas: bool = False, latency_ms: float | None = None
    ) -> BackedUp:
        """Back *disks* up; raise Refused where the worker does not, or does not as it was asked."""
        operator = Stopwatch()
        with operator:
            ordered = self.repository.order(self._runs, disks, deltas=deltas)
        self._runs += 1
        before = self.source.cpu_s
        cost, done = self._worked(ordered, latency_ms)
        for told in done:
            if told.fallback is not None:
                raise Refused(told.fallback)
        source_cpu_s = self.source.cpu_s - before
        with operator:
            committed = self.repository.commit(ordered, done)
        return BackedUp(
            cost,
            operator.s,
            source_cpu_s,
            sum(map(_read_bytes, ordered.job.disks, done)) / 1e6,
            sum(each.stored_bytes for each in committed) / 1e6,
            committed,
        )

    def restore(self, disk: str, target: Path) -> Cost:
        """Restore *disk* of the newest point by the command, with every block verified."""
        return self._command("restore", "--point", "latest", "--disk", disk, "--to", str(target))

    def check(self) -> Cost:
        """Check every byte that is stored, by the command."""
        return self._command("check", "--read-data")

    def prune(self) -> Cost:
        """Delete what nothing needs, by the command."""
        return self._command("prune")

    def _worked(self, ordered: Ordered, latency_ms: float | None) -> tuple[Cost, list[DiskDone]]:
        with tempfile.TemporaryDirectory(prefix="vmbackup-bench-") as scratch:
            job, result = Path(scratch, "job.json"), Path(scratch, "result.json")
            job.write_bytes(write_message(ordered.job))
            command = [*self.under, sys.executable, "-m", "tools.bench.engine.worker_process"]
            command += [str(job), str(self.repository.data), str(result)]
            command += [] if latency_ms is None else [str(latency_ms)]
            trusted = {"SSL_CERT_FILE": str(self.source.ca_file)}
            try:
                cost = measured(command, environment=trusted, folder=ROOT)
            except RuntimeError as error:
                if not result.exists():
                    raise
                told = read_event(result.read_bytes())
                if not isinstance(told, Failed):
                    raise TypeError(f"ended with {REFUSED} and told no failure") from error
                raise Refused(told) from error
            found = read_result(result.read_bytes())
        if not isinstance(found, BackupResult):
            raise TypeError("no result of a backup")
        return cost, found.disks

    def _command(self, verb: str, *arguments: str) -> Cost:
        program = Path(sys.executable).with_name("vmbackup")
        key, folder = self.repository.key_file, self.repository.folder
        command = [str(program), "repository", verb, "--repository", str(folder)]
        return measured([*self.under, *command, "--key-file", str(key), "--quiet", *arguments])


def _read_bytes(asked: DiskToBackUp, told: DiskDone) -> int:
    """Return what was read of a disk at most: of an incremental, with the sample."""
    sample = asked.sample_blocks if told.read == "Incremental" else 0
    return told.statistics.read_bytes + sample * asked.grant.parameters.block_bytes
