"""What a check looked at and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import RunId
from vmbackup_core.repository.failures import UnsupportedFormat
from vmbackup_core.stores.port import NotStored, ObjectUnreadable


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written: the object's name, and what was found.

    *points* are the runs whose recovery points refer to it.
    """

    object: str
    found: str
    points: tuple[RunId, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How much a check looked at; it proved everything readable where there are no findings."""

    findings: tuple[Finding, ...]
    points: int
    chains: int
    commits: int
    indexes: int
    packs: int
    unreferenced_packs: int
    read_bytes: int

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def _nothing() -> None:
    return


@dataclass(slots=True)
class Observations:
    """What a check has seen so far; an object is found fault with once.

    *on_look* hears of each look at an object.
    """

    findings: dict[str, str] = field(default_factory=dict)
    points: int = 0
    chains: int = 0
    commits: int = 0
    indexes: int = 0
    packs: int = 0
    unreferenced_packs: int = 0
    read_bytes: int = 0
    on_look: Callable[[], None] = _nothing

    def fault(self, name: str, found: str) -> None:
        """Note that the object called *name* is not as it was written."""
        self.findings.setdefault(name, found)

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Note what stops the block from reading the object called *name*, and go on behind it."""
        self.on_look()
        try:
            yield
        except NotStored as error:
            self.fault(error.name, "is missing")
        except (CorruptRepository, UnsupportedFormat) as error:
            self.fault(name, str(error).removeprefix(f"{name}: "))
        except ObjectUnreadable as error:
            self.fault(name, str(error))

    def report(self, hurt: Mapping[str, Sequence[RunId]]) -> CheckReport:
        """Return the report; *hurt* has the recovery points that refer to an object."""
        return CheckReport(
            findings=tuple(
                Finding(name, found, tuple(hurt.get(name, ())))
                for name, found in sorted(self.findings.items())
            ),
            points=self.points,
            chains=self.chains,
            commits=self.commits,
            indexes=self.indexes,
            packs=self.packs,
            unreferenced_packs=self.unreferenced_packs,
            read_bytes=self.read_bytes,
        )
