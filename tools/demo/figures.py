"""The table at the demo's end: what each session moved and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.demo.evidence import Evidence
from tools.demo.narration import people_bytes, table
from tools.local_cloud.disk_images import allocated_extents
from tools.local_cloud.seed import SeededDisk


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """One session in numbers; bytes, seconds, requests."""

    name: str
    on_disk: int
    allocated: int
    read: int
    stored: int
    seconds: float
    arm_calls: int
    arm_writes: int
    kubernetes_writes: int


def session_figures(
    session: Any, evidence: Evidence, disks: list[SeededDisk], seconds: float
) -> SessionFigures:
    """Return the figures of an ended session."""
    arm = [entry for entry in evidence.entries() if entry.service == "arm"]
    progress = session["status"]["progress"]
    return SessionFigures(
        name=session["metadata"]["name"],
        on_disk=sum(disk.size_bytes for disk in disks),
        allocated=sum(length for disk in disks for _, length in allocated_extents(disk.path)),
        read=progress["bytesRead"],
        stored=progress["bytesStored"],
        seconds=seconds,
        arm_calls=len(arm),
        arm_writes=sum(entry.method != "GET" for entry in arm),
        kubernetes_writes=evidence.kubernetes_writes(),
    )


def figures_table(sessions: list[SessionFigures]) -> str:
    """Return the figures as a table, one row a session."""
    heading = (
        "Session",
        "On disk",
        "Allocated",
        "Read",
        "Stored",
        "Seconds",
        "ARM calls",
        "ARM writes",
        "Kubernetes writes",
    )
    rows = [
        (
            figures.name,
            people_bytes(figures.on_disk),
            people_bytes(figures.allocated),
            people_bytes(figures.read),
            people_bytes(figures.stored),
            f"{figures.seconds:.0f}",
            str(figures.arm_calls),
            str(figures.arm_writes),
            str(figures.kubernetes_writes),
        )
        for figures in sessions
    ]
    return table([heading, *rows])


def restores_table(sessions: Sequence[Mapping[str, Any]]) -> str:
    """Return what ended RestoreSessions have written, and in which time, one row each."""
    rows = [
        (
            session["metadata"]["name"],
            str(len(session["status"]["restored"]["disks"])),
            people_bytes(
                sum(each.get("writtenBytes", 0) for each in session["status"]["restored"]["disks"])
            ),
            session["status"]["display"]["duration"],
        )
        for session in sessions
    ]
    return table([("Restore", "Disks", "Written", "Took"), *rows])
